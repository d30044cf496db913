"""DKIM: dkimpy, which has nothing of ours, believes every signature and none over a changed message."""

import base64
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.mail.test_mail_message import MAIL, RECEIPT, SCRIPTS
from tests.unit.mail.test_mail_skeleton import MODEL, TWO, fast
from uamail.errors import InputError
from uamail.mail import dkimkey
from uamail.mail.dkim import Signer, SigningKey
from uamail.mail.dkimkey import Kind
from uamail.mail.message import build, content_hash, expected_names, read

RSA = SigningKey("r1", dkimkey.read(dkimkey.make("rsa"), kind="rsa"))
ED25519 = SigningKey("e1", dkimkey.read(dkimkey.make("ed25519"), kind="ed25519"))
SIGNER = Signer("mail.example", (RSA, ED25519))
DNS = {
    f"{key.selector}._domainkey.mail.example.".encode(): dkimkey.record(key.private.public_key()).encode()
    for key in (RSA, ED25519)
}


def believed(data: bytes) -> list[bool]:
    """What dkimpy says of each signature; a message that it cannot read is not believed."""
    found = []
    for number in range(len(re.findall(rb"(?im)^DKIM-Signature:", data))):
        try:
            found.append(bool(dkim.DKIM(data).verify(number, dnsfunc=lambda name, timeout: DNS.get(name))))  # noqa: ARG005
        except dkim.DKIMException:
            found.append(False)
    return found


@pytest.mark.parametrize("keys", [(RSA,), (ED25519,), (RSA, ED25519)])
@pytest.mark.parametrize("mail", [MAIL, RECEIPT, replace(MAIL, reply_to="office@mail.example")])
def test_signature_is_believed(keys: tuple[SigningKey, ...], mail: object) -> None:
    data = Signer("mail.example", keys).sign(build(mail))  # type: ignore[arg-type]

    assert believed(data) == [True] * len(keys)


@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS)
def test_skeleton_of_every_script_is_believed(words: str) -> None:
    letter = fast(TWO, replace(MODEL, signature=(words, words)), name=words)

    assert believed(SIGNER.sign(letter)) == [True, True]


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=200),
    subject=st.text("aé =", min_size=1),
)
def test_any_words_are_believed(name: str, subject: str) -> None:
    data = build(replace(MAIL, sender=(name, MAIL.sender[1]), subject=f"x{subject}", text=name, html=f"<p>{name}"))

    assert believed(SIGNER.sign(data)) == [True, True]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"From: ", b"From: X "),
        lambda data: data.replace(b"\r\nFrom: ", b"\r\nFrom: eve@x.example\r\nFrom: "),
        lambda data: data.replace(b"\r\nMIME-Version", b"\r\nFrom: eve@x.example\r\nMIME-Version"),
        lambda data: data.replace(b"minister@", b"eve@"),
        lambda data: data.replace(b"12:34", b"12:35"),
        lambda data: data.replace(b"<abcdefgh@", b"<bcdefgh@"),
        lambda data: data.replace(b"Subject: Release", b"Subject: Arrest"),
        lambda data: data.replace(b"Content-Language: en", b"Content-Language: de"),
        lambda data: data.replace(b'boundary="=_', b'boundary="=_0'),
        lambda data: data.replace(b"https://uamail", b"https://eve"),
        lambda data: data.replace(b"One-Click", b"Two-Click"),
        lambda data: data.replace(b"\r\nAuto-Submitted: auto-generated", b""),
        lambda data: data.replace(b"base64\r\n\r\nR", b"base64\r\n\r\nS", 1),
        lambda data: data + b"x\r\n",
        lambda data: data.replace(b"d=mail.example", b"d=eve.example"),
        lambda data: data.replace(b"h=from:", b"h="),
    ],
)
def test_changed_message_is_not_believed(spoil: Callable[[bytes], bytes]) -> None:
    data = SIGNER.sign(build(RECEIPT))

    assert spoil(data) != data
    assert believed(spoil(data)) == [False, False]


@pytest.mark.parametrize(
    "forward",
    [
        lambda data: data.replace(b"Subject: ", b"SUBJECT:   "),
        lambda data: data.replace(b"\r\n boundary", b" boundary"),
        lambda data: b"Received: from a by b\r\n" + data,
        lambda data: data + b"\r\n\r\n",
    ],
)
def test_what_relays_do_is_forgiven(forward: Callable[[bytes], bytes]) -> None:
    data = forward(SIGNER.sign(build(MAIL)))

    assert believed(data) == [True, True]


def test_every_field_is_signed_and_from_twice() -> None:
    head = SIGNER.sign(build(RECEIPT)).partition(b"\r\n\r\n")[0]
    signed = re.findall(rb";h=([^;]*);", re.sub(rb"\s", b"", head))

    assert len(signed) == 2
    for names in signed:
        assert sorted(names.decode().split(":")) == sorted(
            ["from", *(name.lower() for name in expected_names(RECEIPT))]
        )
    assert b"; t=" not in head


def test_signed_message_keeps_its_content_hash() -> None:
    data = build(MAIL)
    signed = SIGNER.sign(data)

    assert signed.endswith(data)
    assert content_hash(signed) == content_hash(data)
    assert read(signed).text == read(data).text
    assert max(map(len, signed.split(b"\r\n"))) <= 78


def test_same_message_is_signed_alike() -> None:
    assert SIGNER.sign(build(MAIL)) == SIGNER.sign(build(MAIL))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 20])
@pytest.mark.parametrize("threads", [1, 3])
def test_threads_sign_in_order(count: int, threads: int) -> None:
    messages = [build(replace(MAIL, text=f"Letter {number}")) for number in range(count)]

    with ThreadPoolExecutor(threads) as pool:
        signed = SIGNER.sign_all(messages, pool=pool, threads=threads)

    assert signed == [SIGNER.sign(one) for one in messages]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"From: a@b.example\r\n",
        b"To: a@b.example\r\n\r\nx\r\n",
        b"From: a@b.example\r\nFrom: c@b.example\r\n\r\nx\r\n",
        SIGNER.sign(build(MAIL)),
    ],
)
def test_message_of_another_form_is_not_signed(data: bytes) -> None:
    with pytest.raises(InputError):
        SIGNER.sign(data)


def pem(private: object, password: bytes | None = None) -> bytes:
    """A key as a file would hold it."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    made: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        (b"", "rsa", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "rsa", "not a private key"),
        (pem(RSA.private, b"secret"), "rsa", "without a password"),
        (pem(RSA.private), "ed25519", "not of the kind ed25519"),
        (pem(ED25519.private), "rsa", "not of the kind rsa"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "rsa", "not of the kind rsa"),
        (pem(rsa.generate_private_key(65537, 1024)), "rsa", "1024 bits"),  # noqa: S505
    ],
)
def test_unfit_key_is_refused(text: bytes, kind: Kind, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        dkimkey.read(text, kind=kind)


def test_record_holds_the_public_key() -> None:
    records = {kind: dkimkey.record(key.private.public_key()) for kind, key in (("rsa", RSA), ("ed25519", ED25519))}

    assert records["rsa"].startswith("v=DKIM1; k=rsa; p=MIIB")
    assert len(base64.b64decode(records["ed25519"].removeprefix("v=DKIM1; k=ed25519; p="))) == 32


def test_zone_line_has_short_strings() -> None:
    text = dkimkey.record(RSA.private.public_key())
    line = dkimkey.zone_line("r1._domainkey.mail.example", text)

    strings = re.findall(r'"([^"]*)"', line)

    assert line.startswith("r1._domainkey.mail.example. IN TXT ( ")
    assert "".join(strings) == text
    assert [len(one) <= 255 for one in strings] == [True, True]


def test_repr_keeps_the_key_to_itself() -> None:
    assert "PrivateKey" not in repr(SIGNER)
