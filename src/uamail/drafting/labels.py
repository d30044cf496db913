"""The labels of Urgent Actions, read as they are meant and not as they are spelled."""

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal, NamedTuple

Label = Literal[
    "start", "title", "number", "index", "issued", "summary", "target", "letter", "background", "languages",
    "own_language", "deadline", "late", "subject", "previous", "more_targets", "copies",
]  # fmt: skip

_PHRASES: dict[str, Label] = {
    "URGENT ACTION": "start",
    "URGENT ACTION TITLE": "title",
    "URGENT ACTION TYPE AND NUMBER": "number",
    "INDEX NUMBER": "index",
    "AI INDEX": "index",
    "PUBLICATION DATE": "issued",
    "URGENT ACTION SUMMARY": "summary",
    "TARGET S CONTACT DETAILS": "target",
    "TAKE ACTION WRITE AN APPEAL IN YOUR OWN WORDS OR USE THIS MODEL LETTER": "target",
    "URGENT ACTION LETTER": "letter",
    "YOUR MESSAGE": "letter",
    "ADDITIONAL INFORMATION": "background",
    "BACKGROUND INFORMATION": "background",
    "PREFERRED LANGUAGE TO ADDRESS TARGET": "languages",
    "YOU CAN ALSO WRITE IN YOUR OWN LANGUAGE": "own_language",
    "PLEASE TAKE ACTION AS SOON AS POSSIBLE UNTIL": "deadline",
    "APPEAL DEADLINE NOTICE": "deadline",
    "PLEASE CHECK WITH THE AMNESTY OFFICE IN YOUR COUNTRY IF YOU WISH TO SEND APPEALS AFTER THE DEADLINE": "late",
    "NAME AND PREFERRED PRONOUN": "subject",
    "LINK TO PREVIOUS UA": "previous",
    "ADDITIONAL TARGETS": "more_targets",
    "ALSO SEND COPIES TO DIPLOMATIC REPRESENTATIVES ACCREDITED TO YOUR COUNTRY": "copies",
}
# In Chinese there is no spelling to miss; what begins or ends a passage is enough.
_CHINESE: tuple[tuple[re.Pattern[str], Label], ...] = (
    (re.compile(r"立即行[動动][：:]"), "target"),
    (re.compile(r"背景(?:資訊|资讯|資料|资料)"), "background"),
    (re.compile(r"\d+ ?月 ?\d+ ?日.{0,2}前寄"), "deadline"),
    (re.compile(r"用中文、英文或"), "own_language"),
)
_ALIKE = 0.86


class Labelled(NamedTuple):
    """A label, what stands behind its colon, and whether it is spelled as usual."""

    label: Label
    rest: str
    exact: bool


def labelled(text: str) -> Labelled | None:
    """The label that a line begins with, or is."""
    for pattern, label in _CHINESE:
        if pattern.search(text) and len(text) < 60:
            return Labelled(label, text, True)
    if not any("A" <= sign <= "z" for sign in text):
        return None
    head, colon, rest = text.partition(":")
    # "TAKE ACTION: WRITE AN APPEAL …" has a colon inside its label.
    for words, behind in ((head, rest), *([(text, "")] if colon else [])):
        if found := _alike(_letters(words)):
            label, exact = found
            return Labelled(label, behind.strip(), exact)
    return None


def _letters(text: str) -> str:
    return " ".join(re.findall(r"[A-Z]+", text.upper()))


@lru_cache(maxsize=4096)
def _alike(words: str) -> tuple[Label, bool] | None:
    if words in _PHRASES:
        return _PHRASES[words], True
    near = [phrase for phrase in _PHRASES if abs(len(phrase) - len(words)) * 6 <= len(phrase)]
    scored = [(SequenceMatcher(None, words, phrase, autojunk=False).ratio(), phrase) for phrase in near]
    best, phrase = max(scored, default=(0.0, ""))
    return (_PHRASES[phrase], False) if best >= _ALIKE else None
