"""The table [action]: numbers, days, languages, title, deadline and subjects."""

import re
from collections.abc import Sequence
from typing import Any

from uamail.drafting import facts, language
from uamail.drafting.draft import Draft
from uamail.drafting.quotes import tidy
from uamail.drafting.text import Text

_CLOSED = re.compile(r"Abgeschlossen am|Closed on|Clôturée? le", re.IGNORECASE)
_PETITION = re.compile(
    r"\b(?:sign (?:the|our|this) (?:global )?petition|join our (?:global )?petition)\b", re.IGNORECASE
)
_PRONOUN = re.compile(r"\[?(?P<name>[^\]()\[]+?)\]?\s*\((?P<pronouns>[^()]+)\)")


def head(draft: Draft, texts: Sequence[Text], every: Sequence[str]) -> None:
    """Fill it in; `every` are all lines of the document, because numbers and days may stand anywhere."""
    made: dict[str, Any] = {}
    draft.data["action"] = made
    _numbers(draft, made, every)
    _status(draft, made, every)
    _languages(draft, made, texts)
    _previous(made, texts)
    made["title"] = {one.tag: title for one in texts if (title := _title(draft, one))}
    if not made["title"]:
        made["title"] = {"en": draft.missing("action.title.en")}
    _deadline(draft, made, texts)
    _subjects(made, texts)


def _numbers(draft: Draft, made: dict[str, Any], every: Sequence[str]) -> None:
    # A link to the previous action names another one.
    own = [text for text in every if facts.link(text) is None]
    number = next((found for text in own if (found := facts.ua(text))), None)
    made["ua"] = number[0] if number else draft.missing("action.ua")
    made["ordinal"] = number[1] if number and number[1] else 1
    if number is None or number[1] is None:
        draft.doubt("action.ordinal", "the document does not say whether it is the first, second … of its number")
    made["index"] = next(filter(None, map(facts.index, own)), None) or draft.missing("action.index")
    made["country"] = next(filter(None, map(_country, own)), "")
    dated = (facts.day(text) for text in own if text.lower().startswith(("date:", "publication date:")))
    made["issued"] = next(filter(None, dated), None) or draft.missing("action.issued")


def _country(text: str) -> str | None:
    """A country that stands behind the index, or alone with an arrow in a page's path."""
    index = facts.index(text)
    if index is not None:
        return facts.country(text.partition(index.split()[-1])[2])
    return facts.country(text) if text.endswith("→") else None


def _status(draft: Draft, made: dict[str, Any], every: Sequence[str]) -> None:
    closed = next((text for text in every if _CLOSED.search(text)), None)
    if closed is not None:
        made["status"] = "closed"
        made["closed_on"] = facts.day(closed) or draft.missing("action.closed_on")
        made["closed_reason"] = draft.missing("action.closed_reason")
    if any(_PETITION.search(text) for text in every):
        made["mode"] = "petition"
        draft.doubt("action.mode", "it asks for signatures of a petition: one letter with a roll, or a letter each?")


def _languages(draft: Draft, made: dict[str, Any], texts: Sequence[Text]) -> None:
    named = next((words for one in texts if (words := one.edition.rest("languages"))), "")
    tags = [tag for name in re.split(r",|;| and ", named) if (tag := language.named(name))]
    own = next((one.tag for one in texts if one.tag.startswith("zh-")), None)
    made["languages"] = [own or "zh-Hans" if tag == "zh" else tag for tag in tags]
    if "zh" in tags and own is None:
        words = "Chinese is zh-Hans for the mainland; no letter here is in it: write one, or put another language first"
        draft.doubt("action.languages", words)
    if not tags:
        made["languages"] = [one.tag for one in texts if one.model is not None] or ["en"]
        draft.doubt("action.languages", "no preferred languages are named; these are the languages of the document")
    made["own_language"] = any(one.edition.find("own_language") for one in texts)


def _previous(made: dict[str, Any], texts: Sequence[Text]) -> None:
    found = next((url for one in texts if (url := facts.link(one.edition.rest("previous")))), None)
    if found is not None:
        made["previous"] = found


def _title(draft: Draft, one: Text) -> str:
    """The title; a page of the web has it where we have to guess."""
    title, guessed = one.title, False
    if not title and one.loose:
        capitals = (line.text for line in one.loose if line.text.isupper() and len(line.text.split()) > 3)
        title, guessed = next(capitals, _before_index(one) or one.loose[0].text), True
        one.loose = [line for line in one.loose if line.text != title]
    path = f"action.title.{one.tag}"
    if guessed:
        draft.doubt(path, "no label says which line is the title")
    if title.isupper():
        draft.doubt(path, "it is in capitals: write it as a sentence")
    return tidy(title, one.tag)


def _before_index(one: Text) -> str | None:
    """The last line before the index, unless it is a sentence."""
    opening = one.edition.passages[0].lines
    if one.edition.find("index") is None or not opening or opening[-1].text.endswith("."):
        return None
    return opening[-1].text


def _deadline(draft: Draft, made: dict[str, Any], texts: Sequence[Text]) -> None:
    told = {one.tag: day for one in texts if (day := facts.day(one.edition.rest("deadline")))}
    if not told:
        return
    days = set(told.values())
    made["deadline"] = {"date": min(days), "zone": "", "inclusive": True, "wording": _wordings(texts)}
    draft.doubt("action.deadline.zone", "no document says in which zone the day ends: take that of the office")
    if len(days) > 1:
        draft.doubt("action.deadline.date", f"the editions differ: {', '.join(map(str, sorted(days)))}")
    if any("前" in one.edition.rest("deadline") for one in texts):
        draft.doubt(
            "action.deadline.inclusive", "an edition says 前, before that day; is the day itself still in time?"
        )


def _wordings(texts: Sequence[Text]) -> dict[str, str]:
    """The deadline as published: the label, the day, and what is to be done after it."""
    made = {}
    for one in texts:
        rest = one.edition.rest("deadline")
        if facts.day(rest) is not None:
            made[one.tag] = rest
    return made


def _subjects(made: dict[str, Any], texts: Sequence[Text]) -> None:
    found = next((words for one in texts if (words := one.edition.rest("subject"))), "")
    named = [{"name": one["name"].strip(), "pronouns": one["pronouns"]} for one in _PRONOUN.finditer(found)]
    if named:
        made["subject"] = named
