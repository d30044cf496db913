"""Receipts and notices: honest words, neutral subjects, every state in every language."""

import tomllib
from pathlib import Path

import pytest

from uamail.errors import InputError
from uamail.letters import statewords
from uamail.letters.receipt import OCCASIONS, ReceiptLine, available, receipt
from uamail.letters.words import MailWords
from uamail.models.delivery import CHANNELS, HOLD_REASONS, STATES
from uamail.paths import TEMPLATES

LANGUAGES = ("de", "en", "fr", "zh-Hant")
CHECKPOINT = "log.example/ua\n12\nabc+/=\n\n— log.example/ua xyz"
# decisions: the one list of states of a delivery, written out so that a state that vanishes is noticed too.
ALL_STATES = {
    "queued", "held", "suppressed", "claimed", "uncertain", "accepted", "refused", "bounced", "batched", "posted",
    "returned", "expired", "withdrawn", "cancelled",
}  # fmt: skip
ALL_REASONS = {
    "deadline", "closed", "consent", "glyph", "no_address", "suppressed", "revised", "review", "poison", "content",
    "operator", "stopped", "language", "deferred", "unwritable",
}  # fmt: skip


def mail(language: str = "en", occasion: str = "settled", **changes: object) -> MailWords:
    line = ReceiptLine("President Example", "mail", "accepted")
    facts: dict[str, object] = {
        "ua_reference": "UA 61/21",
        "title": "Uyghur detentions, China",
        "lines": (line,),
        "checkpoint": CHECKPOINT,
    }
    return receipt(language=language, occasion=occasion, **(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", sorted(ALL_STATES | set(STATES)))
def test_every_state_has_words_everywhere(language: str, state: str) -> None:
    bare = statewords.state_words(state, {}, language=language)
    full = statewords.state_words(
        state, {"reason": "deadline", "batch": "B12", "date": "2026-01-15"}, language=language
    )

    assert bare.strip()
    assert not set("{}[]") & set(bare + full)
    assert state not in bare or language == "en"


@pytest.mark.parametrize("language", LANGUAGES)
def test_states_are_told_apart(language: str) -> None:
    words = {statewords.state_words(state, {}, language=language) for state in ALL_STATES}

    assert len(words) == len(ALL_STATES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", sorted(ALL_REASONS | set(HOLD_REASONS)))
def test_every_reason_has_words_everywhere(language: str, reason: str) -> None:
    held = statewords.state_words("held", {"reason": reason}, language=language)

    assert held != statewords.state_words("held", {"reason": "unheard of"}, language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_files_have_the_same_keys(language: str) -> None:
    words, english = (
        tomllib.loads((TEMPLATES / f"mail/words/{tag}.toml").read_text("utf-8")) for tag in (language, "en")
    )

    assert {part: set(entries) for part, entries in words.items()} == {
        part: set(entries) for part, entries in english.items()
    }
    assert set(CHANNELS) <= set(words["channel"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", OCCASIONS)
def test_every_occasion_is_spoken_everywhere(language: str, occasion: str) -> None:
    words = mail(language, occasion)

    assert f'<html lang="{language}" dir="ltr">' in words.html
    assert CHECKPOINT in words.text
    assert "President Example" in words.html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", OCCASIONS)
def test_subject_reveals_nothing(language: str, occasion: str) -> None:
    subjects = {
        mail(language, occasion).subject,
        mail(language, occasion, ua_reference="UA 1/1", title="x", lines=(), checkpoint=None).subject,
    }

    assert len(subjects) == 1
    assert not any(word in str(subjects).lower() for word in ("61", "china", "uyghur", "example", "amnesty", "urgent"))


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("de-CH", "de"), ("zh-TW", "zh-Hant"), ("fr_FR", "fr"), ("zh-CN", "en"), ("ug", "en"), ("", "en"), ("../x", "en")],
)
def test_supporter_reads_the_nearest_language(asked: str, spoken: str) -> None:
    assert f'lang="{spoken}"' in mail(asked).html


def test_accepted_is_never_called_delivered() -> None:
    words = mail()

    assert "accepted by the mail server" in words.text
    assert "deliver" not in (words.text + words.html).lower()


def test_uncertain_says_what_we_will_not_do() -> None:
    words = mail(lines=(ReceiptLine("x", "mail", "uncertain"),))

    assert "we do not know yet" in words.text
    assert "not send it again without checking" in words.text


@pytest.mark.parametrize(
    ("state", "detail", "words"),
    [
        ("batched", {"batch": "B12"}, "in print batch B12, not posted yet"),
        ("batched", {}, "in print, not posted yet"),
        ("posted", {"date": "2026-01-15T23:00:00+00:00"}, "handed over to the post on 15 January 2026"),
        ("posted", {}, "handed over to the post"),
        ("held", {"reason": "closed"}, "not sent yet: this action has been closed"),
        ("held", {"reason": "said by Ms X on the phone"}, "not sent yet: somebody in our office looks at it"),
    ],
)
def test_detail_fills_the_words(state: str, detail: dict[str, str], words: str) -> None:
    assert statewords.state_words(state, detail, language="en") == words


@pytest.mark.parametrize("value", ["{reason}", "[x]", "{0.__class__}", "{{ 7*7 }}", "\\1", "<b>"])
def test_detail_values_stay_literal(value: str) -> None:
    words = mail(lines=(ReceiptLine(value, "print", "batched", {"batch": value}),), title=value)

    assert f"in print batch {value}, not posted yet" in words.text
    assert "<b>" not in words.html


def test_second_mail_is_announced_for_paper() -> None:
    batched, posted = (mail(lines=(ReceiptLine("x", "print", state),)).text for state in ("batched", "posted"))

    assert "once more" in batched
    assert "once more" not in posted


def test_missing_checkpoint_leaves_no_trace() -> None:
    words = mail(checkpoint=None)

    assert "checkpoint" not in words.text
    assert "<pre" not in words.html


@pytest.mark.parametrize(
    "changes",
    [
        {"occasion": "birthday"},
        {"lines": (ReceiptLine("x", "mail", "delivered"),)},
        {"lines": (ReceiptLine("x", "print", "posted", {"date": "yesterday"}),)},
    ],
)
def test_unknown_things_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        mail(**changes)  # type: ignore[arg-type]


def test_operator_adds_a_language(tmp_path: Path) -> None:
    for file in ("words/en.toml", "receipt/en/subject.txt", "receipt/en/body.txt", "receipt/en/body.html"):
        copy = tmp_path / "mail" / file.replace("en.toml", "it.toml").replace("/en/", "/it/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((TEMPLATES / "mail" / file).read_bytes())
    (tmp_path / "mail/receipt/it/subject.txt").write_text("La sua ricevuta\n", "utf-8")

    assert "it" in available("mail/receipt", tmp_path)
    assert mail("it-CH", templates_dir=tmp_path).subject == "La sua ricevuta"
    assert mail("it-CH", "held", templates_dir=tmp_path).subject == "A short update for you"


def test_broken_words_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mail/words").mkdir(parents=True)
    (tmp_path / "mail/words/en.toml").write_text("[state\n", "utf-8")

    with pytest.raises(InputError, match=r"en\.toml"):
        mail(templates_dir=tmp_path)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", ["accepted", "refused", "bounced"])
def test_fax_has_words_of_its_own(language: str, state: str) -> None:
    words = mail(language, lines=(ReceiptLine("x", "fax", state),))

    fax, by_mail = (
        statewords.state_words(state, {}, language=language, channel=channel) for channel in ("fax", "mail")
    )
    assert fax != by_mail
    assert fax in words.text
    assert by_mail not in words.text + words.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_receipt_explains_each_channel_it_tells_of(language: str) -> None:
    """What "accepted" means is said of mail where there is mail, of fax where there is fax."""
    both = mail(language, lines=(ReceiptLine("x", "fax", "accepted"), ReceiptLine("y", "mail", "accepted")))
    fax = mail(language, lines=(ReceiptLine("x", "fax", "accepted"),))
    post = mail(language, lines=(ReceiptLine("y", "print", "posted"),))

    assert len(both.text) > len(fax.text) > len(post.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_fax_that_failed_did_not_come_back_from_a_mail_server(language: str) -> None:
    by_fax, by_mail = (
        mail(language, "bounced", lines=(ReceiptLine("x", channel, "bounced"),)) for channel in ("fax", "mail")
    )

    assert by_fax.text.partition("\n")[0] != by_mail.text.partition("\n")[0]
