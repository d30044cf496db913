"""The number of an Urgent Action and the index of its document."""

import re
from dataclasses import dataclass

from uamail.errors import InputError

# "UA 061/21-2", "UA: 61/21": number / year of first issue, then the ordinal of the follow-up ("Second UA").
_KEY = re.compile(r"(?:UA[ :]*)?0*([1-9]\d{0,3})/(\d{2})(?:-([1-9]\d?))?", re.ASCII | re.IGNORECASE)
# Class code and number of the country, running number, year: "ASA 17/5905/2022".
_INDEX = re.compile(r"[A-Z]{2,4} \d{2}/\d{3,5}/\d{4}", re.ASCII)


@dataclass(frozen=True)
class Key:
    """A UA number without leading zeros ("61/21") and, when it was given, the ordinal."""

    ua: str
    ordinal: int | None = None

    def __str__(self) -> str:
        return self.ua if self.ordinal is None else f"{self.ua}-{self.ordinal}"


def parse(text: str) -> Key:
    """The key in "UA 061/21-2", "61/21-2" or "61/21"; raises InputError for anything else."""
    found = _KEY.fullmatch(_tidy(text))
    if found is None:
        raise InputError(f"{text!r} is no UA number; write it like 61/21 or, with its ordinal, 61/21-2")
    number, year, ordinal = found.groups()
    return Key(f"{number}/{year}", int(ordinal) if ordinal else None)


def normalise(text: str) -> str:
    """The bare number: "UA 061/21" and "61/21-2" both give "61/21"; raises InputError."""
    return parse(text).ua


def is_index(text: str) -> bool:
    """Whether the text is a document index such as "ASA 17/5905/2022"."""
    return _INDEX.fullmatch(_tidy(text)) is not None


def _tidy(text: str) -> str:
    # Published documents put no-break spaces into both; split() knows them.
    return " ".join(text.split())
