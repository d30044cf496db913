"""Addresses are strict; the words beside them keep every script and lose every trick."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.mail.address import MAX_WORDS, Mailbox, header_safe, named, parse, unstructured
from uamail.mail.envelope import is_plain


@pytest.mark.parametrize(
    ("text", "addr"),
    [
        ("jane@mail.example", "jane@mail.example"),
        ("Jane.Doe@Mail.Example", "Jane.Doe@mail.example"),
        ("jane@host.test", "jane@host.test"),
        ("jane@example.org", "jane@example.org"),
        ("o'brien+ua@mail.example", "o'brien+ua@mail.example"),
        ("jane@bücher.example", "jane@xn--bcher-kva.example"),
        ("jane@例子.example", "jane@xn--fsqu00a.example"),
        ("jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
    ],
)
def test_mailbox_is_read(text: str, addr: str) -> None:
    mailbox = parse(text)

    assert mailbox.addr == str(mailbox) == addr
    assert is_plain(mailbox.addr)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jane",
        "jane@localhost",
        "jane@test",
        "jane@host.local",
        "jane@host.invalid",
        "jane@host.onion",
        "jane@192.0.2.1",
        "jane@[192.0.2.1]",
        "Jane <jane@mail.example>",
        '"jane doe"@mail.example',
        "jane@mail.example,eve@x.example",
        "jane@mail.example;eve@x.example",
        "eve%x.example@mail.example",
        "x.example!eve@mail.example",
        "@gate.example:jane@mail.example",
        "jane..doe@mail.example",
        "jane@mail.example\n",
        "jane@mail.example\r\nRCPT TO:<eve@x.example>",
        "ja\x00ne@mail.example",
        "ja\u202ene@mail.example",
        "jane@mail.example\u2028",
        "jane@ma_il.example",
        "jane@mail.example.",
        " jane@mail.example",
        "x" * 65 + "@mail.example",
        "jane@" + "a" * 64 + ".example",
    ],
)
def test_no_mailbox_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


def test_local_part_beyond_ascii_needs_smtputf8() -> None:
    with pytest.raises(InputError, match="SMTPUTF8"):
        parse("jäne@mail.example")

    assert parse("jäne@mail.example", smtputf8=True) == Mailbox("jäne", "mail.example")


def test_route_is_refused_with_smtputf8_too() -> None:
    with pytest.raises(InputError):
        parse("jäne%x.example@mail.example", smtputf8=True)


@settings(max_examples=600, deadline=None)
@given(st.one_of(st.text(max_size=50), st.emails(), st.text(max_size=30).map(lambda text: f"{text}@mail.example")))
def test_parsed_address_always_fits_an_envelope(text: str) -> None:
    try:
        mailbox = parse(text)
    except InputError:
        return

    assert is_plain(mailbox.addr)
    assert parse(mailbox.addr) == mailbox


NAMES = [
    "Zoë Müller-Łukasiewicz",
    "Αλέξανδρος Παπαδόπουλος",
    "Людмила Ковальчук",
    "محمد الأمين",
    "می‌خواهم",  # Persian with ZWNJ
    "ئابدۇرېھىم ئوسمان",
    "יעל כהן",
    "श्रीमती क्षमा",
    "അനില്‍",  # Malayalam with a final ZWJ after virama
    "ශ්‍රී ලංකා",  # Sinhala with ZWJ
    "བསྟན་འཛིན",
    "王小明",
    "𠮷野家",
    "葛\U000e0100城",  # an ideographic variation sequence
    "김민준",
    "Nguyễn Thị Ánh",
    "สมชาย",
    'O\'Brien, Jr. ("Pat") <x>',
    "\U00031350",  # Han of Extension H, which an older Python does not know
    "\ue000",
]


@pytest.mark.parametrize("name", NAMES)
def test_name_of_any_script_is_kept(name: str) -> None:
    assert header_safe(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("  Jane  Doe\n", "Jane Doe"),
        ("\r\nJane\r\n", "Jane"),
        ("Jane\tDoe", "Jane Doe"),
        ("Jane\u00a0\u3000Doe", "Jane Doe"),
        ("Jane\u202eDoe\u2066\u2069", "JaneDoe"),
        ("\ufeffJane\u200b\u00ad", "Jane"),
        ("Jane\u200d", "Jane"),
        ("\u200c\u200dJane", "Jane"),
        ("a\u200d b", "a b"),
        ("1\u200d2", "12"),
        ("J\U000e0041\U000e0001ane", "Jane"),
        ("=?utf-8?q?Jane?=", "= ?utf-8?q?Jane?="),
        ("=\u200b?utf-8?q?Jane?=", "= ?utf-8?q?Jane?="),
        ("==??", "== ??"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("", ""),
        ("\u202e", ""),
    ],
)
def test_honest_noise_is_cleaned(text: str, safe: str) -> None:
    assert header_safe(text) == safe


@pytest.mark.parametrize(
    "point",
    [
        0x0D,
        0x0A,
        0,
        1,
        0x0B,
        0x0C,
        0x1B,
        0x1C,
        0x7F,
        0x85,
        0x9B,
        0x2028,
        0x2029,
        0xD800,
        0xDFFF,
        0xFFFE,
        0xFDD0,
        0x10FFFF,
    ],
)
def test_control_character_is_refused(point: int) -> None:
    with pytest.raises(InputError, match=f"U\\+{point:04X}"):
        header_safe(f"Jane{chr(point)}Bcc: eve@x.example")


def test_endless_name_is_refused() -> None:
    with pytest.raises(InputError):
        header_safe("x" * (MAX_WORDS + 1))

    assert len(header_safe("x" * MAX_WORDS)) == MAX_WORDS


@settings(max_examples=1000, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_safe_text_holds_no_trick(text: str) -> None:
    try:
        safe = header_safe(text)
    except InputError:
        return

    categories = {unicodedata.category(c) for c in safe if c not in "\u200c\u200d"}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert "=?" not in safe
    assert header_safe(safe) == safe
    assert safe == unicodedata.normalize("NFC", safe)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=200))
def test_encoded_words_are_short_and_ascii(text: str) -> None:
    try:
        safe = header_safe(text)
    except InputError:
        return

    for value in (unstructured(safe), named(safe, "jane@mail.example")):
        lines = value.split("\r\n ")
        assert max(map(len, lines)) <= 76
        assert all(0x20 <= ord(c) < 0x7F for line in lines for c in line)
        assert all(line.strip() for line in lines[1:])
