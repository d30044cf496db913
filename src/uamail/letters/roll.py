"""The roll: one model letter and those who signed it, each shown as far as their level and the target's cap allow."""

import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from uamail.errors import InputError
from uamail.letters.country import country_name
from uamail.letters.language import direction, match
from uamail.letters.person import Person, initials, lower, signature
from uamail.letters.statewords import fill, roots
from uamail.letters.words import MailWords, mail_words

_FOLDER = "mail/roll"
# A list names towns at most: street addresses of many people in one mail are a tool for whoever wants to visit them.
MOST_SHOWN = "town"
# First strong isolate and its end (UAX #9): what is between them cannot turn the text around it.
_OPEN, _CLOSE = "\u2068", "\u2069"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEYS = ("heading", "others", "count")


@dataclass(frozen=True, kw_only=True)
class Section:
    """The model letter to one target in one language."""

    language: str
    salutation: str
    paragraphs: tuple[str, ...]
    demands: tuple[str, ...]
    closing: str

    def context(self) -> dict[str, Any]:
        """Plain data for a template."""
        return {
            "language": self.language,
            "direction": direction(self.language),
            "salutation": self.salutation,
            "paragraphs": list(self.paragraphs),
            # Templates cannot call split(), so the lines of each paragraph come ready.
            "paragraph_lines": [paragraph.split("\n") for paragraph in self.paragraphs],
            "demands": list(self.demands),
            "closing": self.closing,
        }


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A signer, and the level they chose."""

    person: Person = field(repr=False)
    level: str


@dataclass(frozen=True)
class Names:
    """Those who are named, in the order of signing, as lines ("Anna Example", "Switzerland"); and how many are not,
    by country (ISO 3166), the greatest number first."""

    named: tuple[tuple[str, ...], ...] = field(repr=False)
    counted: tuple[tuple[str, int], ...]


def names(listed: Iterable[Listed], *, cap: str, language: str) -> Names:
    """Everybody at the lower of their own level, the target's cap and the town. Raises InputError for no level."""
    most = lower(cap, MOST_SHOWN)
    named, counted = [], Counter[str]()
    for one in listed:
        level = lower(one.level, most)
        if level == "none" or (level == "initials" and not initials(one.person.name)):
            counted[one.person.country] += 1
        else:
            lines = signature(one.person, level=level, cap=most, language=language)
            named.append(tuple(map(plain_line, lines)))
    ranked = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return Names(tuple(named), tuple(ranked))


def plain_line(text: str) -> str:
    """One line that cannot change its neighbours: no control, no line end, no direction of its own."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Zs") else c for c in text if c not in _BIDI)
    return " ".join("".join(kept).split())


def roll_words(
    *,
    subject: str,
    reference: str,
    sections: Sequence[Section],
    listed: Sequence[Listed],
    cap: str,
    total: int,
    templates_dir: Path | None = None,
) -> MailWords:
    """The mail, from templates/mail/roll. `total` is how many have signed in all.

    The frame of the list speaks the first section's language, or English where it has no words of its own. Raises
    InputError when a template or its words are missing or wrong.
    """
    tag = sections[0].language
    shown = names(listed, cap=cap, language=tag)
    context: dict[str, Any] = {
        "language": tag,
        "direction": direction(tag),
        "subject": subject,
        "reference": reference,
        "sections": [one.context() for one in sections],
        "names": [{"lines": list(lines), "text": _isolated(lines)} for lines in shown.named],
        **_frame(shown, tag, n=len(listed), total=total, templates_dir=templates_dir),
    }
    return mail_words(_FOLDER, context, templates_dir=templates_dir)


def _isolated(lines: Iterable[str]) -> str:
    return ", ".join(f"{_OPEN}{line}{_CLOSE}" for line in lines)


def _frame(shown: Names, tag: str, *, n: int, total: int, templates_dir: Path | None) -> dict[str, Any]:
    """The words around the names: a heading, how many there are without a name, and how many in all."""
    spoken = match(tag, _spoken(templates_dir)) or "en"
    words = _read_words(spoken, templates_dir)
    others = [
        fill(words["others"], {"country": country_name(code, language=spoken) or code, "n": str(count)})
        for code, count in shown.counted
    ]
    return {
        "frame_language": spoken,
        "frame_direction": direction(spoken),
        "heading": words["heading"],
        "others": others,
        "count": fill(words["count"], {"n": str(n), "total": str(total)}),
    }


def _spoken(templates_dir: Path | None) -> tuple[str, ...]:
    found = {path.stem for root in roots(templates_dir) for path in (root / _FOLDER / "words").glob("*.toml")}
    return tuple(sorted(found))


def _read_words(tag: str, templates_dir: Path | None) -> Mapping[str, str]:
    for root in roots(templates_dir):
        file = root / _FOLDER / "words" / f"{tag}.toml"
        if file.is_file():
            return _parsed(file, file.stat().st_mtime_ns)
    raise InputError(f"{_FOLDER}/words/{tag}.toml is missing")


@lru_cache(maxsize=64)
def _parsed(file: Path, changed: int) -> Mapping[str, str]:  # noqa: ARG001 -- an edited file is read again
    try:
        words = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name}: {error}") from error
    missing = [key for key in _KEYS if not isinstance(words.get(key), str)]
    if missing:
        raise InputError(f"{_FOLDER}/words/{file.name}: no text for {', '.join(missing)}")
    return words
