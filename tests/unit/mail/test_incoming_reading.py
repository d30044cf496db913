"""Incoming mail in every shape we know is read as what it is, and no shape at all breaks the reader."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.incoming import MESSAGE_ID, SAMPLES, VERP, Sample, by_name, dsn, failed, person, plain
from uamail.mail.identity import unverp, verp
from uamail.mail.incoming.message import parse, text, value
from uamail.mail.incoming.reading import read
from uamail.mail.incoming.report import Report, bounce_addresses

KEY = b"k" * 32
NIGHTLY = 100_000
samples = pytest.mark.parametrize("sample", SAMPLES, ids=[one.name for one in SAMPLES])


@samples
def test_shape_is_read_as_what_it_is(sample: Sample) -> None:
    report = read(sample.data)

    assert (report.kind, report.status) == (sample.kind, sample.status)
    assert report.addresses == (VERP,)


def test_corpus_is_large_enough() -> None:
    assert len({one.data for one in SAMPLES}) >= 40


@samples
def test_line_ends_make_no_difference(sample: Sample) -> None:
    assert read(sample.data.replace(b"\n", b"\r\n")) == read(sample.data)


def test_diagnostic_names_nobody() -> None:
    report = read(failed("5.1.1", "550 5.1.1 <president@gov.example>: no such user"))

    assert "president" not in report.diagnostic
    assert "no such user" in report.diagnostic


@pytest.mark.parametrize("name", ["postfix unknown user", "gmail no account", "abuse report", "answer"])
def test_message_id_of_ours_is_found(name: str) -> None:
    assert read(by_name(name).data).message_ids == (MESSAGE_ID,)


@pytest.mark.parametrize(
    ("name", "partial"), [("several fates", True), ("postfix unknown user", False), ("alias expanded", False)]
)
def test_several_fates_are_no_proof(name: str, partial: bool) -> None:
    assert read(by_name(name).data).partial is partial


def test_envelope_recipient_comes_first() -> None:
    other = VERP.replace("b-a", "b-c")

    assert read(failed("5.1.1", "550 no"), recipients=[other]).addresses == (other, VERP)


def test_envelope_id_may_name_the_delivery() -> None:
    coded = VERP.replace("@", "+40")
    data = dsn(
        "Final-Recipient: rfc822; x@gov.example\nAction: failed\nStatus: 5.1.1",
        per_message=f"Original-Envelope-Id: {coded}",
        verp="postmaster@ua.example",
    )

    assert read(data).addresses == (VERP,)


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-generated\n",
        "Auto-Submitted: auto-replied; owner-email=x\n",
        "Precedence: junk\n",
        "X-Autorespond: yes\n",
        "List-Unsubscribe: <https://gov.example/>\n",
    ],
)
def test_one_strong_sign_is_a_program(head: str) -> None:
    assert read(person("Thank you.", head=head)).kind == "autoreply"


def test_one_weak_sign_is_a_person() -> None:
    away = person("I was away; your letter is on my desk.", subject="Out of office is over")

    assert read(away).kind == "answer"


def test_person_who_quotes_a_bounce_is_heard() -> None:
    quoted = person("This came back to us:\n> 550 5.1.1 user unknown\n> <x@gov.example>: no such user")

    assert read(quoted).kind == "answer"


def flips() -> list[str]:
    """Our address with each character of it changed into its neighbour."""
    good = verp(KEY, 4711, domain="ua.example")
    local = good.partition("@")[0]
    wheel = "abcdefghijklmnopqrstuvwxyz234567"
    made = []
    for place, old in enumerate(local):
        new = wheel[(wheel.index(old) + 1) % len(wheel)] if old in wheel else "x"
        made.append(good[:place] + new + good[place + 1 :])
    return made


@pytest.mark.parametrize("address", flips())
def test_changed_bounce_address_is_nobody(address: str) -> None:
    found = bounce_addresses(f"<{address}>")

    assert [one for one in found if unverp(KEY, one) is not None] == []


def test_own_bounce_address_is_known() -> None:
    good = verp(KEY, 4711, domain="ua.example")

    assert [unverp(KEY, one) for one in bounce_addresses(f'"x" <{good.upper()}>')] == [4711]


def nested(depth: int) -> bytes:
    """Parts in parts in parts."""
    head = b"From: x@gov.example\n"
    for number in range(depth):
        head += b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (number, number)
    return head + b"\ntext\n"


HOSTILE = {
    "parts in parts": nested(3000),
    "many parts": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n" * 150_000,
    "many types": b"Content-Type: multipart/digest; boundary=x\n\n" + b"--x\nContent-Type: text/plain\n\n\n" * 30_000,
    "long parameters": b"Content-Type: multipart/mixed; " + b'a=";";' * 100_000 + b"\n\nx\n",
    "folded parameters": b"Content-Type: multipart/mixed;\n" + b' a=";";\n' * 100_000 + b"\nx\n",
    "half words": b"Subject: " + b"=?a?q?" * 150_000 + b"\n\nx\n",
    "half addresses": b"From: " + b'"(<' * 300_000 + b"\n\nx\n",
    "one long line": b"Subject: x\n\n" + b"a@" * 500_000,
    "many headers": b"X: y\n" * 200_000 + b"\nx\n",
    "empty": b"",
    "parts by bare CR": nested(3000).replace(b"\n", b"\r"),
    "parameters by bare CR": b"Subject: x\rContent-Type: multipart/mixed; " + b'a=";";' * 100_000 + b"\r\rx\r",
    "escapes as charset": b"Content-Type: text/plain; charset=unicode-escape\n\n" + rb"\q\x" * 1000,
    "charset of zeros": b"Content-Type: text/plain; charset=a\0b\n\n\xff\xfe" * 3,
    "long parameters, odd bytes": b"Content-Type: text/plain; " + b'a=";";' * 100_000 + b"\n\n\xff\xfe\n",
    "zeros": b"\0" * 1_000_000,
    "odd charset": b"Content-Type: text/plain; charset=idna\n\n" + b"xn--" * 200_000,
    "no charset": b"Content-Type: text/plain; charset=\xff\xfe\nSubject: =?\xff?b?////?=\n\n\xff\xfe",
    "tags": b"Content-Type: text/html\n\n" + b"<" * 900_000,
    "base64": b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" + b"=A" * 400_000,
    "codes": b"From: MAILER-DAEMON@x.example\n\n" + b"5.1." * 250_000,
    "daemon": b"From: MAILER-DAEMON@x.example\n\n" + b"<a@b.example>: \n" * 60_000,
    "status bomb": dsn("\n\n".join(["Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1"] * 10_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_message_is_read_quickly(name: str) -> None:
    begun = time.process_time()

    report = read(HOSTILE[name])

    assert isinstance(report, Report)
    assert time.process_time() - begun < 3, "one message may not keep the reader"


def test_text_of_a_hostile_message_is_bounded() -> None:
    assert len(text(parse(b"Subject: x\n\n" + b"a" * (5 << 20)))) <= 64 << 10
    assert len(value(parse(b"Subject: " + b"a" * (1 << 19)), "Subject")) <= 2000


@given(st.binary(max_size=2000))
@settings(max_examples=150)
def test_any_bytes_are_read(data: bytes) -> None:
    assert isinstance(read(data), Report)


@given(st.sampled_from(SAMPLES), st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=250, deadline=None)
def test_damaged_samples_are_read(sample: Sample, seed: int, changes: int) -> None:
    assert isinstance(read(damaged(sample.data, random.Random(seed), changes)), Report)


@pytest.mark.nightly
def test_hundred_thousand_damaged_messages_are_read() -> None:
    chance = random.Random(61)
    kinds: dict[str, int] = {}

    for number in range(NIGHTLY):
        report = read(damaged(SAMPLES[number % len(SAMPLES)].data, chance, chance.randint(0, 20)))
        kinds[report.kind] = kinds.get(report.kind, 0) + 1

    assert sum(kinds.values()) == NIGHTLY
    assert len(kinds) >= 8, kinds


def damaged(data: bytes, chance: random.Random, changes: int) -> bytes:
    """Bytes changed, lines dropped, doubled and cut, parts swapped."""
    made = bytearray(data)
    for _ in range(changes):
        place = chance.randrange(len(made) + 1)
        match chance.randrange(6):
            case 0 if made:
                made[place - 1] = chance.randrange(256)
            case 1:
                made[place:place] = chance.choice((b"\n", b"\r\n", b"\0", b"--=_cut\n", b"=?", b"\xff\xfe", b";", b'"'))
            case 2:
                del made[place : place + chance.randrange(80)]
            case 3:
                made[place:place] = made[place : place + chance.randrange(200)]
            case 4:
                made = bytearray(b"\n".join(chance.sample(lines := bytes(made).split(b"\n"), len(lines))))
            case _:
                made[place:place] = chance.choice(SAMPLES).data[: chance.randrange(400)]
    return bytes(made)


def test_charset_of_an_answer_is_kept() -> None:
    letter = parse(plain("Mektubunuz alındı.", charset="iso-8859-9"))

    assert text(letter).strip() == "Mektubunuz alındı."
