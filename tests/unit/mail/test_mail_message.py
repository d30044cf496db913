"""Messages as their reader gets them: the right fields, the same bytes, nothing injected, every script intact."""

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.mail.address import header_safe
from uamail.mail.message import Mail, build, bytes_hash, content_hash, expected_names, read, verify

HTML = (
    "<!DOCTYPE html><html lang='en'><head><style>@media print{p{color:black}} p{color:#123456;margin:0}</style></head>"
    "<body><p>Dear Minister,</p><p><b>Release them.</b></p></body></html>"
)
MAIL = Mail(
    sender=("Zoë Müller", "appeals@mail.example"),
    to=("The Minister", "minister@target.example"),
    subject="Release the prisoners",
    text="Dear Minister,\n\nRelease them.\n.\nFrom here\n",
    html=HTML,
    language="en",
    message_id="<abcdefgh@mail.example>",
    date=datetime(2026, 11, 20, 12, 34, 56, 789, UTC),
)
RECEIPT = replace(MAIL, auto=True, unsubscribe="https://uamail.example/u/abc?x=1")
APPEAL_FIELDS = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Language"]


def names(data: bytes) -> list[str]:
    """Field names taken from the raw bytes, without any e-mail library."""
    head = data.partition(b"\r\n\r\n")[0]
    return [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]


def test_appeal_has_the_golden_fields() -> None:
    assert sorted(names(build(MAIL))) == sorted(APPEAL_FIELDS)


def test_reply_to_is_written_on_request() -> None:
    data = build(replace(MAIL, reply_to="office@mail.example"))

    assert sorted(names(data)) == sorted([*APPEAL_FIELDS, "Reply-To"])
    assert read(data).header("reply-to") == "office@mail.example"


def test_receipt_adds_three_fields() -> None:
    data = build(RECEIPT)

    assert sorted(names(data)) == sorted(
        [*APPEAL_FIELDS, "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post"]
    )
    assert read(data).header("List-Unsubscribe") == "<https://uamail.example/u/abc?x=1>"
    assert read(data).header("Auto-Submitted") == "auto-generated"


def test_one_click_needs_https() -> None:
    data = build(replace(RECEIPT, unsubscribe="http://127.0.0.1:8000/u/abc"))

    assert "List-Unsubscribe" in names(data)
    assert "List-Unsubscribe-Post" not in names(data)


def test_appeal_refuses_an_unsubscribe_link() -> None:
    with pytest.raises(InputError):
        build(replace(MAIL, unsubscribe="https://uamail.example/u/abc"))


def test_date_is_utc_to_the_minute() -> None:
    late = MAIL.date.astimezone(timezone(timedelta(hours=8)))

    assert b"\r\nDate: Fri, 20 Nov 2026 12:34:00 +0000\r\n" in build(replace(MAIL, date=late))


def test_naive_date_is_refused() -> None:
    with pytest.raises(InputError):
        build(replace(MAIL, date=MAIL.date.replace(tzinfo=None)))


def test_same_mail_gives_the_same_bytes() -> None:
    code = (
        "import sys, datetime; from uamail.mail.message import Mail, build, bytes_hash;"
        "print(bytes_hash(build(eval(sys.argv[1]))))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code, _source(MAIL)], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(3)
    }

    assert hashes == {bytes_hash(build(MAIL))}


def _source(mail: Mail) -> str:
    """A Mail as an expression: its own repr leaves the letter out."""
    return f"Mail(**{vars(mail)!r})"


def test_preview_hash_is_the_sent_hash() -> None:
    sent = replace(MAIL, date=MAIL.date + timedelta(days=1), message_id="<other@mail.example>")
    signed = b"DKIM-Signature: v=1; a=rsa-sha256;\r\n b=abc\r\n" + build(sent)

    assert content_hash(build(MAIL)) == content_hash(build(sent)) == content_hash(signed)
    assert bytes_hash(build(MAIL)) != bytes_hash(build(sent))


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Another subject"},
        {"text": "Another text"},
        {"html": "<p>Another page</p>"},
        {"language": "de"},
        {"to": ("The Minister", "other@target.example")},
        {"sender": ("Somebody Else", "appeals@mail.example")},
        {"reply_to": "office@mail.example"},
    ],
)
def test_content_hash_sees_every_change(change: dict[str, str]) -> None:
    assert content_hash(build(replace(MAIL, **change))) != content_hash(build(MAIL))  # type: ignore[arg-type]


def test_style_sheet_is_inlined() -> None:
    html = read(build(MAIL)).html

    assert re.search(r'<p style="[^"]*color: ?#123456', html)
    assert "@media print" in html


@pytest.mark.parametrize("link", ["file:///etc/hostname", "http://127.0.0.1:9/x.css", "/etc/hostname"])
def test_linked_style_sheet_is_not_fetched(link: str) -> None:
    mail = replace(
        MAIL, html=f'<html><head><link rel="stylesheet" href="{link}"></head><body><p>Dear</p></body></html>'
    )

    assert read(build(mail)).html.count("<p>Dear</p>") == 1


def test_body_is_ascii_base64_on_the_wire() -> None:
    data = build(replace(MAIL, text="ä\n.\n..\n.\r\nQUIT\nFrom x\n" + "x" * 5000))

    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 78
    assert not re.search(rb"\r\n\.", data)
    assert not re.search(rb"(?m)^(QUIT|From )", data)


def test_boundary_in_the_text_does_no_harm() -> None:
    text = f"--{boundary(build(MAIL))}--"
    data = build(replace(MAIL, text=text))

    assert read(data).text == text + "\n"


def test_boundary_is_the_same_for_all_letters_of_a_kind() -> None:
    letter = build(replace(MAIL, sender=("Jane", MAIL.sender[1]), text="Another letter", html="<p>Another page</p>"))

    assert boundary(letter) == boundary(build(MAIL))
    assert boundary(letter) != boundary(build(replace(MAIL, to=("The Minister", "other@target.example"))))


def boundary(data: bytes) -> str:
    return str(message_from_bytes(data, policy=policy.default).get_boundary())


SCRIPTS = {
    "Latn": "Zoë Łukasiewicz-Ñandú",
    "Cyrl": "Людмила Ковальчук",
    "Grek": "Αλέξανδρος Παπαδόπουλος",
    "Arab": "محمد الأمين",
    "Fars": "علی می‌خواهد",
    "Uigr": "ئابدۇرېھىم ئوسمان",
    "Hebr": "יעל כהן",
    "Deva": "श्रीमती क्षमा",
    "Beng": "র‍্যাব অনিল",
    "Mlym": "അനില്‍ കുമാർ",
    "Sinh": "ශ්‍රී ලංකා",
    "Tibt": "བསྟན་འཛིན་རྒྱ་མཚོ",
    "Thai": "สมชาย ใจดี",
    "Khmr": "សុខ ចាន់",
    "Mymr": "အောင် ဆန်း",
    "Geor": "გიორგი",
    "Armn": "Արամ",
    "Ethi": "አበበ ቢቂላ",
    "Hans": "王小明",
    "Hant": "習近平 主席",
    "ExtB": "𠮷野家 𪚥",
    "Jpan": "山田 はなこ",
    "Kore": "김민준",
    "Viet": "Nguyễn Thị Ánh Nguyệt",
    "Mong": "ᠮᠣᠩᠭᠣᠯ",
    "Emoji": "Pat 🕯️",
}


@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_reads_back(words: str) -> None:
    long = " ".join([words] * 8)
    mail = replace(
        MAIL, sender=(words, MAIL.sender[1]), to=(long, MAIL.to[1]), subject=long, text=words, html=f"<p>{words}</p>"
    )

    found = read(build(mail))

    assert found.sender == (header_safe(words), MAIL.sender[1])
    assert found.to == (header_safe(long), MAIL.to[1])
    assert found.subject == header_safe(long)
    assert found.text == words + "\n"
    assert words in found.html


ATTACKS = [
    "x\r\nBcc: eve@x.example",
    "x\nBcc: eve@x.example",
    "x\rBcc: eve@x.example",
    "x\r\n\r\nbody",
    "x\r\n Bcc: eve@x.example",
    "x\r\n\tBcc: eve@x.example",
    "x\x00y",
    "x\x0bBcc: eve@x.example",
    "x\x0cBcc: eve@x.example",
    "x\x1cBcc: eve@x.example",
    "x\x85Bcc: eve@x.example",
    "x\u2028Bcc: eve@x.example",
    "x\u2029Bcc: eve@x.example",
    "x\x7fy",
    "x\ud800y",
    # CVE-2024-6923: an encoded word that holds a line break, decoded and written out by the library
    "=?utf-8?q?hi=0D=0ABcc:=20eve@x.example?=",
    "=?utf-8?b?aGkNCkJjYzogZXZlQHguZXhhbXBsZQ==?=",
    "=?utf-8?q?hi=0ABcc:=20eve@x.example?= =?utf-8?q?x?=",
    "é =?utf-8?q?=0D=0ABcc:_eve@x.example?=",
    "=\u200b?utf-8?q?hi=0D=0ABcc:=20eve@x.example?\u200b=",
    '"Eve" <eve@x.example>, Jane',
    "Eve <eve@x.example>",
    'Jane" <eve@x.example>, "',
    "Jane\\",
    "Jane (eve@x.example)",
    "group: eve@x.example;",
    'a,b;c:d@e<f>g[h]i\\j"k',
    "\u202egro.elpmaxe@eve",
    "嘊嘍Bcc: eve@x.example",  # bytes that end in 0A and 0D when a code point is cut to eight bits
    "x" * 400,
    "é" * 400,
    "x " * 200,
    "",
    " ",
    ".",
    "=?",
    "?=",
    "=??=",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", ["sender", "to", "subject", "reply_to", "language", "message_id", "unsubscribe"])
def test_attack_adds_no_field(name: str, attack: str) -> None:
    assert_harmless(_with(name, attack))


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack not in ("", "?=")])
@pytest.mark.parametrize("name", ["sender", "to"])
def test_attack_in_an_address_is_refused(name: str, attack: str) -> None:
    for address in (attack, f"{attack}@x.example", f"jane@x.example{attack}", f"jane@{attack}.example"):
        with pytest.raises(InputError):
            build(replace(MAIL, **{name: ("Jane", address)}))  # type: ignore[arg-type]


def _with(name: str, value: str) -> Mail:
    words = {"sender": (value, MAIL.sender[1]), "to": (value, MAIL.to[1])}
    return replace(RECEIPT, **{name: words.get(name, value)})  # type: ignore[arg-type]


def assert_harmless(mail: Mail) -> None:
    """The mail is refused, or it is written with its own fields only and reads back as it was meant."""
    try:
        data = build(mail)
    except InputError:
        return
    head = data.partition(b"\r\n\r\n")[0]
    assert sorted(names(data)) == sorted(expected_names(mail))
    assert not re.search(rb"[^\x20-\x7e\r\n]|\r(?!\n)|(?<!\r)\n", head)
    found = message_from_bytes(data, policy=policy.default)
    assert found["Bcc"] is None
    assert found["Cc"] is None
    assert [str(a.addr_spec) for name in ("From", "To") for a in found[name].addresses] == [mail.sender[1], mail.to[1]]
    assert found.is_multipart()
    assert len(list(found.iter_parts())) == 2
    assert not found.defects


_ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=80),
    st.text(st.sampled_from('ab =?_.,;:<>()[]"\\@\r\n\t\0\x85\u2028\u200d\u202eéش王𠮷'), max_size=60),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120),
)


@settings(max_examples=600, deadline=None)
@given(sender=_ANY_TEXT, to=_ANY_TEXT, subject=_ANY_TEXT)
@example("=?utf-8?q?hi=0D=0ABcc:=20eve@x.example?=", "a, b", "x")
def test_any_words_stay_words(sender: str, to: str, subject: str) -> None:
    assert_harmless(replace(MAIL, sender=(sender, MAIL.sender[1]), to=(to, MAIL.to[1]), subject=subject))


@settings(max_examples=600, deadline=None)
@given(name=st.sampled_from(["reply_to", "language", "message_id", "unsubscribe"]), value=_ANY_TEXT)
def test_any_value_stays_in_its_field(name: str, value: str) -> None:
    assert_harmless(_with(name, value))


@settings(max_examples=500, deadline=None)
@given(_ANY_TEXT, _ANY_TEXT)
def test_any_safe_words_are_sent(name: str, subject: str) -> None:
    try:
        safe, title = header_safe(name), header_safe(subject) or "x"
    except InputError:
        return

    found = read(build(replace(MAIL, sender=(name, MAIL.sender[1]), to=(name, MAIL.to[1]), subject=title)))

    assert (found.sender[0], found.to[0], found.subject) == (safe, safe, title)


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=300))
def test_any_text_reads_back(text: str) -> None:
    if not text.strip():
        return

    data = build(replace(MAIL, text=text))

    assert read(data).text == text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    assert data.isascii()


@settings(max_examples=500, deadline=None)
@given(st.one_of(_ANY_TEXT, st.text(st.sampled_from("<>/=\"'&;!-{}:#. \n@ab\0styleplink"), max_size=120)))
@example("<style>p{color:red</style><p style='x'>")
@example("<style>@import url(http://127.0.0.1:9/x.css);</style><p>x")
@example("<!--")
def test_any_html_is_harmless(html: str) -> None:
    assert_harmless(replace(MAIL, html=html))


@pytest.mark.parametrize("text", ["", " \n", "a\0b", "a\ud800b"])
def test_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        build(replace(MAIL, text=text))
    with pytest.raises(InputError):
        build(replace(MAIL, html=text))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"\r\nTo:", b"\r\nBcc: eve@x.example\r\nTo:"),
        lambda data: data.replace(b"\r\nTo:", b"\r\nX-Mailer: x\r\nTo:"),
        lambda data: data.replace(b"\r\nTo:", b"\r\nSubject: x\r\nTo:"),
        lambda data: data.replace(b"\r\nTo:", b"\nTo:"),
        lambda data: data.replace(b"\r\nTo:", b"\rTo:"),
        lambda data: data.replace(b"Release the", b"Release\0the"),
        lambda data: data.replace(b"Release the", b"Release\tthe"),
        lambda data: data.replace(b"Release the", b"Release\x85the"),
        lambda data: data.replace(b"Release the", b"Arrest the"),
        lambda data: data.replace(b"minister@", b"eve@"),
        lambda data: data.replace(b"minister@target.example", b"minister@target.example>, <eve@x.example"),
        lambda data: data.replace(b"appeals@", b"eve@"),
        lambda data: data.replace(b"abcdefgh@", b"eve@"),
        lambda data: data.replace(b"\r\nDate:", b"\r\nDate: x\r\n :"),
        lambda data: re.sub(rb"\r\nContent-Language: en", b"", data),
        lambda data: data + b"x" * 999 + b"\r\n",
        lambda data: data + b"\n",
        lambda data: data.partition(b"\r\n\r\n")[0],
        lambda data: data[:0],
    ],
)
def test_verify_finds_every_spoiled_byte(spoil: Callable[[bytes], bytes]) -> None:
    data = build(MAIL)
    verify(data, MAIL)

    assert spoil(data) != data
    with pytest.raises(InputError):
        verify(spoil(data), MAIL)


def test_refusal_keeps_private_values_to_itself() -> None:
    with pytest.raises(InputError) as refused:
        build(replace(MAIL, reply_to="jane doe@private.example"))

    assert "jane" not in str(refused.value)


def test_repr_keeps_the_letter_to_itself() -> None:
    shown = repr(replace(MAIL, reply_to="jane@private.example"))

    assert "jane" not in shown
    assert "Release them" not in shown
    assert "minister" not in shown


def test_unreadable_message_is_refused() -> None:
    for data in (b"", b"From: a@b.example\r\n\r\nx", build(MAIL).replace(b"To:", b"Tx:")):
        with pytest.raises(InputError):
            read(data)


def test_parts_are_what_was_written() -> None:
    data = build(MAIL)

    plain = re.search(rb"base64\r\n\r\n(.*?)\r\n\r\n--", data, re.DOTALL)
    assert plain is not None
    assert base64.b64decode(plain[1]).decode() == MAIL.text.replace("\n", "\r\n")
