"""The envelope takes an address only when every server reads it as it is written."""

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.mail.envelope import MAX_ADDRESS, Envelope, Outgoing, is_plain

SENDER = "b-aaaaaaaaaaaaa-bbbbbbbbbbbbbbbb@mail.example"

READ_DIFFERENTLY = [
    "",
    "jane",
    "@mail.example",
    "jane@",
    "jane@localhost",
    "jane@mail",
    "jane@mail.example\r\nRCPT TO:<eve@x.example>",
    "jane@mail.example\n",
    "jane@mail.example\r",
    "jane@mail.example ",
    " jane@mail.example",
    "jane@mail.example,eve@x.example",
    "jane@mail.example;eve@x.example",
    "jane@mail.example eve@x.example",
    "<jane@mail.example>",
    "jane@mail.example>",
    "jane@mail.example> SIZE=1",
    "Jane <jane@mail.example>",
    "jane(comment)@mail.example",
    '"jane"@mail.example',
    '"jane@evil.example"@mail.example',
    "jane\\@mail.example",
    "jane@evil@mail.example",
    "@gate.example:jane@mail.example",
    "eve%x.example@mail.example",
    "x.example!eve@mail.example",
    "jane..doe@mail.example",
    ".jane@mail.example",
    "jane.@mail.example",
    "jane@.mail.example",
    "jane@mail..example",
    "jane@mail.example.",
    "jane@-mail.example",
    "jane@mail-.example",
    "jane@mail.example-",
    "jane@mail_host.example",
    "jane@[192.0.2.1]",
    "jane@[IPv6:2001:db8::1]",
    "jane@192.0.2.1",
    "jane@mail.1",
    "jäne@mail.example",
    "jane@mäil.example",
    "jane＠mail.example",
    "jane@mail。example",
    "jane\x00@mail.example",
    "jane@mail.example\x00",
    "jane\x7f@mail.example",
    "jane\t@mail.example",
    "jane@mail.example\u2028",
    "jane@mail.example\x85",
    "ja\u200dne@mail.example",
    "x" * 65 + "@mail.example",
    "x@" + "a" * 64 + ".example",
    "x@" + "a." * 130 + "example",
]


@pytest.mark.parametrize("address", READ_DIFFERENTLY)
def test_ambiguous_recipient_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        Envelope(SENDER, address)


@pytest.mark.parametrize("address", [address for address in READ_DIFFERENTLY if address])
def test_ambiguous_sender_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        Envelope(address, "jane@mail.example")


@pytest.mark.parametrize(
    "address",
    [
        "jane@mail.example",
        "Jane.Doe+ua@Mail.Example",
        "o'brien@mail.example",
        "a/b=c&d@mail.example",
        "j_d-e{}|~^`?*#$@a.b.c.example",
        "1@2.example",
        "jane@xn--bcher-kva.example",
        "x" * 64 + "@mail.example",
        "-dash@mail.example",
    ],
)
def test_plain_address_is_taken(address: str) -> None:
    envelope = Envelope(SENDER, address)

    assert envelope.recipient == address


def test_null_sender_is_taken() -> None:
    assert Envelope("", "jane@mail.example").sender == ""


def test_refusal_keeps_the_address_to_itself() -> None:
    with pytest.raises(InputError) as refused:
        Envelope(SENDER, "jane doe@mail.example")

    assert "jane" not in str(refused.value)


def test_repr_keeps_recipient_and_letter_to_itself() -> None:
    outgoing = Outgoing(Envelope(SENDER, "jane@mail.example"), b"Subject: secret\r\n\r\n", 7)

    assert "jane" not in repr(outgoing)
    assert "secret" not in repr(outgoing)
    assert outgoing.key == 7


# Characters that mean something to SMTP, next to ones that do not.
_TEMPTING = st.text(
    st.sampled_from('ab1.-@@<>,;:()[]\\"%! \r\n\t\0\x7f\x85\u2028ä＠' + string.ascii_letters), max_size=40
)


def _as_smtp_reads(line: str) -> list[str]:
    """What a strict reader takes from `RCPT TO:<...>`: RFC 5321 4.1.2 with Dot-string only, independent of the code."""
    atext = set(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~")
    assert line.startswith("RCPT TO:<")
    inner, _, rest = line.removeprefix("RCPT TO:<").partition(">")
    assert rest == "\r\n"
    local, _, domain = inner.partition("@")
    assert all(part and set(part) <= atext for part in local.split("."))
    labels = domain.split(".")
    assert all(label and set(label) <= set(string.ascii_letters + string.digits + "-") for label in labels)
    assert all(label[0] != "-" != label[-1] and len(label) <= 63 for label in labels)
    return [inner]


@settings(max_examples=1500, deadline=None)
@given(st.one_of(_TEMPTING, st.text(max_size=60), _TEMPTING.map(lambda text: f"{text}@mail.example"), st.emails()))
@example("jane@mail.example\n")
def test_accepted_address_is_what_smtp_reads(address: str) -> None:
    if not is_plain(address):
        with pytest.raises(InputError):
            Envelope(SENDER, address)
        return

    assert _as_smtp_reads(f"RCPT TO:<{address}>\r\n") == [address]
    assert len(address) <= MAX_ADDRESS
    assert address.isascii()
    assert not set("%!") & set(address.partition("@")[0])
