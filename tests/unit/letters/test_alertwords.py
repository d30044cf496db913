"""Every cause has its words, every remedy names a command that exists, and the digest is told in sections."""

import re
from typing import Any

import pytest

from tests import docs_generated
from uamail.errors import InputError
from uamail.letters.alertwords import alert_mail, alert_words
from uamail.letters.digestwords import digest_mail, sections
from uamail.models.alert import CAUSES

NOTHING: dict[str, Any] = {
    "alerts": [],
    "uncertain": {},
    "held": {},
    "suppressed": {},
    "releases": [],
    "batches": [],
    "suspects": [],
    "quarantined": [],
    "late": [],
    "forgetting": [],
}


def words(text: str) -> set[str]:
    """The commands that a text names: "uamail stop relay main" is `uamail stop`."""
    known = docs_generated.leaves()
    found = set()
    for one, two in re.findall(r"uamail ([a-z]+)(?: ([a-z]+))?", text):
        name = f"{one} {two}" if f"{one} {two}" in known else one
        found.add("release run" if name == "release" else name)
    return found - {"works"}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_its_words(cause: str) -> None:
    told = alert_words(cause, key="main", n=3, detail="14, 16")

    assert all((told.wrong, told.remedy, told.over))
    assert "{" not in f"{told.wrong}{told.remedy}{told.over}"
    assert words(told.remedy) <= set(docs_generated.leaves())


def test_braces_of_a_key_stay_as_they_are() -> None:
    assert "Relay {n} refuses" in alert_words("relay", key="{n}", n=3, detail="").wrong


def test_unknown_cause_is_an_error() -> None:
    with pytest.raises(InputError, match="must be one of"):
        alert_words("weather", key="", n=1, detail="")


@pytest.mark.parametrize(("kind", "subject"), [("opened", "Alert: wrong"), ("closed", "Over: over"), ("test", "Test:")])
def test_mail_says_what_kind_it_is(kind: str, subject: str) -> None:
    facts = {"wrong": "wrong <b>", "remedy": "remedy & more", "over": "over", "since": "then", "until": "now"}

    made = alert_mail({**facts, "kind": kind})

    assert made.subject.startswith(subject)
    assert ("remedy & more" in made.text) is (kind != "closed")
    assert "<b>" not in made.html


def test_digest_has_a_section_for_everything_that_waits() -> None:
    waiting = {
        "alerts": [{"cause": "relay", "key": "main", "n": 1, "detail": "", "since": "2026-03-02T09:00:00+00:00"}],
        "uncertain": {"99/26-1": {"zhen-shiyin": 2}},
        "held": {"99/26-1": {"deadline": 7, "consent": 1}},
        "suppressed": {"99/26-1": {"president": 4}},
        "releases": [{"id": 4, "ua": "99/26-1", "channel": "print", "deliveries": 12}],
        "batches": [{"id": "B2", "ua": "99/26-1", "state": "rendered", "pieces": 4}],
        "suspects": [{"ua": "99/26-1", "address": "presidency", "returns": 3}],
        "quarantined": [{"file": "import-1.csv", "rows": 2}],
        "late": [{"action": "99/26-1", "target": "president", "pending": 300, "late": "2.5 days late"}],
        "forgetting": [{"ua": "98/25-1", "after": "2026-03-10"}],
    }

    found = sections(waiting)
    mail = digest_mail("2026-03-02", waiting)

    assert len(found) == 10
    assert all(words(one.remedy) <= set(docs_generated.leaves()) for one in found)
    assert mail.subject == "Waiting for a person, 2026-03-02: 11"
    for line in ("UA 99/26-1: 7 deadline", "B2: UA 99/26-1, rendered, 4 letters", "import-1.csv: 2 rows"):
        assert line in mail.text
        assert line in mail.html


def test_digest_of_nothing_is_one_line() -> None:
    mail = digest_mail("2026-03-02", NOTHING)

    assert sections(NOTHING) == []
    assert mail.subject == "Nothing waits for a person, 2026-03-02"
    assert mail.text == "Nothing waits for a person.\n"
