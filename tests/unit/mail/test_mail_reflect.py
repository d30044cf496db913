"""A reflected mail goes to one address, says that it is a test, and leads nowhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uamail.errors import InputError
from uamail.mail.message import Mail, build, read
from uamail.mail.reflect import reflect

MAIL = Mail(
    sender=("Ada Example", "appeals@ua.example"),
    to=("Governor <Xi> & Co", "governor@gov.example"),
    subject="Freedom",
    text="Dear Governor\n",
    html='<html><head><style>p{color:#000}</style></head><BODY class="a"><p>Dear Governor</p></BODY></html>',
    language="en",
    message_id="<abc@ua.example>",
    date=datetime(2026, 1, 20, 12, tzinfo=UTC),
    reply_to="ada@post.example",
)
ME = "me@office.example"


def test_nobody_else_is_in_the_bytes() -> None:
    data = build(reflect(MAIL, to=ME))
    got = read(data)

    assert got.to == ("", ME)
    assert b"governor@gov.example" not in data
    assert b"ada@post.example" not in data
    assert got.header("Reply-To") is None
    assert got.header("Auto-Submitted") == "auto-generated"


def test_banner_stands_over_both_parts() -> None:
    got = read(build(reflect(MAIL, to=ME)))

    told = "Test: this letter was made for Governor <Xi> & Co and was not sent to them."
    assert got.subject == "[TEST] Freedom"
    assert got.text == f"*** {told} ***\n\nDear Governor\n"
    assert "Governor &lt;Xi&gt; &amp; Co and was not sent" in got.html
    assert got.html.index("was not sent") < got.html.index("Dear Governor")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "wurde für Li erstellt"),
        ("de-CH", "wurde für Li erstellt"),
        ("fr", "préparée pour Li"),
        ("zh-Hant", "為Li製作"),
        ("zh-Hant-HK", "為Li製作"),
        ("zh-Hans", "was made for Li"),
        ("ar", "was made for Li"),
    ],
)
def test_banner_speaks_the_language_of_the_letter(language: str, words: str) -> None:
    made = reflect(replace(MAIL, language=language, to=("Li", "li@gov.example")), to=ME)

    assert words in made.text
    assert words in made.html
    assert made.language == language


def test_message_id_is_of_its_own() -> None:
    first = reflect(MAIL, to=ME).message_id
    later = reflect(replace(MAIL, date=MAIL.date + timedelta(minutes=1)), to=ME).message_id

    assert first == reflect(MAIL, to=ME).message_id
    assert len({MAIL.message_id, first, later}) == 3
    assert first.endswith("@ua.example>")


def test_unsubscribe_is_left_out() -> None:
    made = reflect(replace(MAIL, auto=True, unsubscribe="https://ua.example/u/1"), to=ME)

    assert read(build(made)).header("List-Unsubscribe") is None


def test_nameless_recipient_is_not_shown() -> None:
    made = reflect(replace(MAIL, to=("", "bo@post.example")), to=ME)

    assert "made for its recipient and" in made.text


def test_long_subject_keeps_its_mark() -> None:
    made = reflect(replace(MAIL, subject="x" * 500), to=ME)

    assert build(made)
    assert made.subject.startswith("[TEST] xxx")


def test_html_without_body_gets_the_banner() -> None:
    assert reflect(replace(MAIL, html="<p>Hello</p>"), to=ME).html.startswith("<p role=")


def test_own_words_without_a_banner_fall_back(tmp_path: Path) -> None:
    (tmp_path / "mail" / "words").mkdir(parents=True)
    (tmp_path / "mail" / "words" / "en.toml").write_text("[state]\n")

    assert "was not sent to them" in reflect(MAIL, to=ME, templates_dir=tmp_path).text


def test_broken_words_are_named(tmp_path: Path) -> None:
    (tmp_path / "mail" / "words").mkdir(parents=True)
    (tmp_path / "mail" / "words" / "en.toml").write_text("[test\n")

    with pytest.raises(InputError, match=r"en\.toml"):
        reflect(MAIL, to=ME, templates_dir=tmp_path)
