"""Text and tags of an action file are normalised the same way everywhere."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uamail.actions import checks
from uamail.actions.loader import fingerprint, load, loads
from uamail.paths import CONFIG

DEMO = (CONFIG / "actions" / "demo.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Zu\u0308rich", "Zürich"),
        ("a\u00a0b", "a b"),
        ("  a b ", "a b"),
        ("\u2068ئۇيغۇر\u2069 name", "\u2068ئۇيغۇر\u2069 name"),
        ("شی\u200cها", "شی\u200cها"),
        ("བོད་ཡིག", "བོད་ཡིག"),
        ("𠮷野", "𠮷野"),
    ],
)
def test_running_text_is_normalised(text: str, clean: str) -> None:
    assert checks.line(text) == clean


@pytest.mark.parametrize(
    "character", ["\t", "\n", "\r", "\x00", "\x1b", "\x85", "\u2028", "\u202d", "\u202a", "\u2069"]
)
def test_hidden_characters_are_refused(character: str) -> None:
    with pytest.raises(ValueError, match=r"U\+"):
        checks.line(f"a{character}b")


def test_prose_keeps_its_line_breaks() -> None:
    assert checks.prose("\nOne.\r\n\r\nTwo.\n") == "One.\n\nTwo."


@pytest.mark.parametrize("text", ["", "\n\n", " "])
def test_empty_prose_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a text"):
        checks.prose(text)


@given(st.text(max_size=60))
def test_normalising_text_is_idempotent(text: str) -> None:
    try:
        clean = checks.line(text)
    except ValueError:
        return
    assert checks.line(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)


@pytest.mark.parametrize(
    ("tag", "usual"),
    [
        ("EN", "en"),
        ("zh-hant", "zh-Hant"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("de-ch-1996", "de-CH-1996"),
        ("es-419", "es-419"),
    ],
)
def test_language_tags_get_usual_case(tag: str, usual: str) -> None:
    assert checks.language(tag) == usual


@pytest.mark.parametrize("tag", ["", "e", "english", "zh_Hant", "zh-", "en-UKK1x-", "zh-Hant-TW-x", "çe"])
def test_wrong_language_tags_are_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="BCP 47"):
        checks.language(tag)


def test_mail_domain_becomes_ascii() -> None:
    assert checks.email("Minister@Bücher.example") == "Minister@xn--bcher-kva.example"


def test_fingerprint_ignores_layout_and_form() -> None:
    relaid = unicodedata.normalize("NFD", DEMO).replace("\n", "\r\n").replace(" = ", "   =   ") + "# a comment\n"

    assert fingerprint(loads(relaid, file="demo")) == fingerprint(loads(DEMO, file="demo"))


def test_fingerprint_sees_every_change() -> None:
    changed = DEMO.replace("sound evidence", "sounder evidence")

    assert fingerprint(loads(changed, file="demo")) != fingerprint(loads(DEMO, file="demo"))


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_bytes(b"\xef\xbb\xbf" + DEMO.encode())

    assert load(path) == loads(DEMO, file="demo")
