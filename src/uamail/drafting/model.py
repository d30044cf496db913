"""The model letter as a document has it: salutation, paragraphs, demands, closing, and what does not belong to it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from uamail.drafting import facts
from uamail.drafting.lines import Line
from uamail.drafting.quotes import tidy

_SALUTATION = re.compile(
    r"(?:Dear|Your Excellency|Excellency|Sehr geehrter?|Madame|Monsieur|Excellence|Estimad[oa]|Señora?)\b[^.!?]{0,160}"
    r"|(?:致|尊敬的|敬愛的|敬爱的)[^。]{1,40}[：:]"
)
_CLOSING = re.compile(
    r"(?:(?:Yours|Most) (?:sincerely|faithfully|truly|respectfully)|Sincerely(?: yours)?|Respectfully"
    r"|Mit freundlichen Grüßen|Hochachtungsvoll|Veuillez (?:agréer|recevoir).{0,160}|Atentamente"
    r"|敬此|此致.{0,8}|敬上|謹啟|谨启)[,.，。]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Model:
    """A model letter; `demands` is empty when nothing tells them from the paragraphs, `closing` when there is none.

    `furniture` are lines of the page (number, index, date) that stood inside the letter.
    """

    salutation: str
    paragraphs: tuple[str, ...]
    demands: tuple[str, ...]
    closing: str
    furniture: tuple[str, ...]


def split(lines: Sequence[Line]) -> tuple[list[Line], list[Line], list[Line]]:
    """What stands before the salutation, the letter, and what follows its closing; no letter without a salutation."""
    start = next((at for at, line in enumerate(lines) if _SALUTATION.fullmatch(line.text)), len(lines))
    ends = (at for at, line in enumerate(lines[start:], start) if _CLOSING.fullmatch(line.text))
    end = next(ends, len(lines) - 1)
    return list(lines[:start]), list(lines[start : end + 1]), list(lines[end + 1 :])


def read(lines: Sequence[Line], *, language: str) -> Model:
    """The letter that begins with its salutation, in the quotes of its language."""
    salutation, *body = lines
    closing = body.pop().text if body and _CLOSING.fullmatch(body[-1].text) else ""
    furniture = [line.text for line in body if _is_furniture(line.text)]
    body = [line for line in body if not _is_furniture(line.text)]
    paragraphs, demands = _cut(body)
    return Model(
        salutation=salutation.text,
        paragraphs=tuple(tidy(line.text, language) for line in paragraphs),
        demands=tuple(tidy(line.text, language) for line in demands),
        closing=closing,
        furniture=tuple(furniture),
    )


def _cut(body: Sequence[Line]) -> tuple[Sequence[Line], Sequence[Line]]:
    """The demands follow the last line that ends in a colon; without one they are the bullets at the end."""
    colons = [at for at, line in enumerate(body) if line.text.endswith((":", "："))]
    if colons:
        return body[: colons[-1] + 1], body[colons[-1] + 1 :]
    at = len(body)
    while at and body[at - 1].bullet:
        at -= 1
    return body[:at], body[at:]


def _is_furniture(text: str) -> bool:
    short = len(text) < 100
    dated = text.lower().startswith("date:") and facts.day(text) is not None
    return short and (facts.ua(text) is not None or facts.index(text) is not None or dated)
