"""A file of made-up signatures in the generic layout, for rehearsals, tests and measurements."""

import csv
import random
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import cycle
from pathlib import Path

from uamail.importing.sample_people import PEOPLE, PLACES, People, Place
from uamail.importing.sample_words import OWN_WORDS

HEADER = (
    "external_id",
    "name",
    "email",
    "country",
    "address",
    "postcode",
    "locality",
    "language",
    "body",
    "disclosure",
    "consent",
    "contact",
    "reply",
    "signed_at",
)
OWN_WORDS_SHARE = 0.12
_DAYS = 21
# RFC 2606 reserves .example: a rehearsal that escapes reaches nobody.
_DOMAINS = ("post.example", "inbox.example", "letters.example", "courrier.example", "briefe.example", "uni.example")
_DISCLOSURES = {"name": 58, "town": 15, "none": 10, "initials": 9, "address": 8}
# What a bad row has in which column; None makes the row one field too long.
_SPOILED: tuple[tuple[str, str] | None, ...] = (
    ("consent", ""),
    ("signed_at", "2022-08-01 10:00:00"),
    None,
    ("email", "not an address"),
    ("country", "Atlantis"),
    ("name", "Anna\u202eannA"),
)


def write(
    path: Path,
    *,
    count: int,
    seed: int,
    now: datetime,
    language_weights: Mapping[str, float] | None = None,
    bad: int = 0,
) -> None:
    """Write `count` rows in UTF-8, `bad` of them unreadable and spread over the file; the same for the same seed.

    The signatures are of the three weeks before `now` (aware). `language_weights` are shares by language tag, of
    `languages()`; 12 in 100 signers write their own words as far as their language has some.
    """
    dice = random.Random(seed)
    weights = dict(language_weights or {language: people.weight for language, people in PEOPLE.items()})
    spoiled = set(dice.sample(range(count), min(bad, count)))
    faults = cycle(_SPOILED)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(HEADER)
        for number, row in enumerate(_rows(dice, count, weights, now, f"S{seed}")):
            out.writerow(_spoil(row, next(faults)) if number in spoiled else list(row.values()))


def languages() -> tuple[str, ...]:
    """The tags of the languages that a sample can have."""
    return tuple(PEOPLE)


def _rows(
    dice: random.Random, count: int, weights: Mapping[str, float], now: datetime, batch: str
) -> Iterator[dict[str, str]]:
    writing = sum(weight for language, weight in weights.items() if language in OWN_WORDS) / sum(weights.values())
    chance = OWN_WORDS_SHARE / writing if writing else 0.0
    for number in range(1, count + 1):
        language = _pick(dice, weights)
        place = dice.choice(PLACES[dice.choice(PEOPLE[language].countries)])
        yield {
            "external_id": f"{batch}-{number:06d}",
            **_person(dice, PEOPLE[language], number),
            **_home(dice, place),
            "language": language,
            "body": _body(dice, language) if dice.random() < chance else "",
            "disclosure": _pick(dice, _DISCLOSURES),
            "consent": _said(dice, 0.98),
            "contact": _said(dice, 0.75),
            "reply": _said(dice, 0.2),
            "signed_at": _moment(dice, now, place),
        }


def _person(dice: random.Random, people: People, number: int) -> dict[str, str]:
    name = people.pattern.format(given=dice.choice(people.given), family=dice.choice(people.family))
    latin = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    local = ".".join(re.findall("[a-z]+", latin)) or "signer"
    address = f"{local}.{number}@{dice.choice(_DOMAINS)}"
    return {"name": name, "email": address if dice.random() < 0.93 else ""}


def _home(dice: random.Random, place: Place) -> dict[str, str]:
    return {
        "country": place.country,
        "address": place.street.format(n=dice.randint(1, 180)),
        "postcode": place.postcode,
        "locality": place.locality,
    }


def _body(dice: random.Random, language: str) -> str:
    paragraphs = OWN_WORDS.get(language, ())
    chosen = sorted(dice.sample(range(len(paragraphs)), min(dice.randint(2, 3), len(paragraphs))))
    return "\n\n".join(paragraphs[place] for place in chosen)


def _moment(dice: random.Random, now: datetime, place: Place) -> str:
    at = now - timedelta(seconds=dice.randint(60, _DAYS * 86_400))
    return at.astimezone(timezone(timedelta(hours=place.offset))).isoformat(timespec="seconds")


def _said(dice: random.Random, share: float) -> str:
    return "yes" if dice.random() < share else "no"


def _pick(dice: random.Random, weights: Mapping[str, float]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def _spoil(row: Mapping[str, str], fault: tuple[str, str] | None) -> Sequence[str]:
    if fault is None:
        return [*row.values(), "one field too many"]
    column, text = fault
    return list({**row, column: text}.values())
