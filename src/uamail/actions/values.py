"""What an action file says, as values: the action, its offices, addresses, targets and model letters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from uamail.errors import NotFound

STATUSES = ("open", "closed")
MODES = ("individual", "petition")
KINDS = ("primary", "additional", "copy")
CHANNELS = ("mail", "print", "fax")
# One mail for each appeal, or one a day with the list of those who signed.
MAILINGS = ("single", "digest")
# From least to most: a letter shows the lower of what the supporter allows and the target's cap.
DISCLOSURES = ("none", "initials", "name", "town", "address")
REVIEWS = ("draft", "approved")


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_Part = TypeVar("_Part", bound=_Identified)


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """The last day for appeals (or, when not inclusive, the first day that is too late), in an IANA zone.

    `wording` holds the deadline as published, by language.
    """

    date: date
    zone: str
    inclusive: bool = True
    wording: Mapping[str, str] = field(default_factory=dict)

    @property
    def instant(self) -> datetime:
        """The first instant that is too late, in UTC."""
        late = self.date + timedelta(days=1) if self.inclusive else self.date
        # Where the clocks change at midnight, fold 0 is the first instant of that day: before an hour that comes
        # twice, and exactly at the change when midnight is skipped (PEP 495).
        return datetime.combine(late, time(), tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who the action is for; `pronouns` as the person or group uses them ("they/them")."""

    name: str
    pronouns: str


@dataclass(frozen=True, kw_only=True)
class Office:
    """Who sends for one country (ISO 3166): return address, reply mailbox, IANA zone and working languages."""

    country: str
    name: str
    address: tuple[str, ...]
    reply_to: str
    zone: str
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Address:
    """A street address as authored: lines by script (ISO 15924), without the country, which the sender's side adds."""

    id: str
    country: str
    postcode: str | None = None
    lines: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Who is written to; `name`, `role` and `salutation` go by language, `disclosure` is the most a letter may show.

    `email` is in order of preference, `fax` is E.164, `copy_for` holds sending countries (ISO 3166; copies only),
    `joint` names the group of targets that get one letter together. `mail` is "single", or "digest" for one mail a day
    with the model letter and that day's signers; own words are mailed singly all the same.
    """

    id: str
    kind: str
    address: str | None = None
    email: tuple[str, ...] = ()
    fax: str | None = None
    zone: str
    disclosure: str = "name"
    reply: bool = False
    channels: tuple[str, ...]
    mail: str = "single"
    copy_for: tuple[str, ...] = ()
    joint: str | None = None
    name: Mapping[str, str]
    role: Mapping[str, str] = field(default_factory=dict)
    salutation: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ModelLetter:
    """The published letter in one language (BCP 47); the salutation belongs to the target."""

    language: str
    subject: str
    paragraphs: tuple[str, ...]
    demands: tuple[str, ...]
    closing: str
    review: str = "draft"


@dataclass(frozen=True, kw_only=True)
class ActionFile:
    """One published text of an Urgent Action; `ua` is normalised ("61/21"), `languages` are the targets', in order."""

    ua: str
    ordinal: int
    index: str
    country: str
    issued: date
    status: str = "open"
    closed_on: date | None = None
    closed_reason: str | None = None
    mode: str = "individual"
    languages: tuple[str, ...]
    own_language: bool = False
    previous: str | None = None
    title: Mapping[str, str]
    background: Mapping[str, str] = field(default_factory=dict)
    deadline: Deadline | None = None
    subjects: tuple[Subject, ...] = ()
    offices: tuple[Office, ...]
    addresses: tuple[Address, ...] = ()
    targets: tuple[Target, ...]
    letters: tuple[ModelLetter, ...]

    @property
    def key(self) -> str:
        return f"{self.ua}-{self.ordinal}"

    def target(self, id: str) -> Target:
        return _named(self.targets, id, noun="target", of=self.key)

    def address(self, id: str) -> Address:
        return _named(self.addresses, id, noun="address", of=self.key)

    def letter(self, language: str) -> ModelLetter:
        """The model letter in exactly this language; raises NotFound with the languages there are."""
        for letter in self.letters:
            if letter.language == language:
                return letter
        there = ", ".join(letter.language for letter in self.letters)
        raise NotFound(f"action {self.key} has no model letter in {language}; it has {there}")

    def office(self, country: str) -> Office:
        """The office that sends for a country: its own, else the first one of the file."""
        return next((office for office in self.offices if office.country == country), self.offices[0])


def _named(parts: Iterable[_Part], id: str, *, noun: str, of: str) -> _Part:
    parts = tuple(parts)
    for part in parts:
        if part.id == id:
            return part
    raise NotFound(f"action {of} has no {noun} {id}; it has {', '.join(part.id for part in parts) or 'none'}")
