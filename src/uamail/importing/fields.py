"""The rules for each field of a signature: text in, value out, InputError with a remedy for what will not do."""

import re
from datetime import UTC, datetime, timedelta

from email_validator import EmailNotValidError, validate_email

from uamail.errors import InputError
from uamail.wording import clean_name, clean_text

DISCLOSURES = ("none", "initials", "name", "town", "address")
_ADDRESS_LINES = 8
# Clocks of web servers in other zones are wrong by hours, not by days.
_AHEAD = timedelta(days=1)
# RFC 5646 section 2.1: language, script, region, variants, private use; extensions do not matter for letters.
_TAG = re.compile(
    r"[a-z]{2,3}(-[a-z]{3}){0,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(-x(-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)


def line(text: str) -> str | None:
    """One line of text, or None when it is empty."""
    return clean_name(text) if text.strip() else None


def lines(text: str) -> tuple[str, ...]:
    """The lines of an address, at most eight."""
    found = tuple(clean_name(part) for part in re.split("\r\n?|\n", text) if part.strip())
    if len(found) > _ADDRESS_LINES:
        raise InputError(f"has {len(found)} lines, at most {_ADDRESS_LINES} are allowed")
    return found


def words(text: str) -> str | None:
    """Own words, or None for the model letter."""
    return clean_text(text) if text.strip() else None


def email(text: str) -> str | None:
    """A normalised address, or None; syntax only, without DNS. Domains of RFC 2606 for tests and examples pass."""
    if not text.strip():
        return None
    try:
        return validate_email(text.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        # Not the library's words: they repeat the address, and reasons hold no personal data.
        raise InputError("is not an e-mail address: correct it or leave it empty") from error


def language(text: str, *, default: str) -> str:
    """A BCP 47 tag in its usual case (RFC 5646 section 2.1.1); `zh_TW` is read as `zh-TW`."""
    tag = text.strip().replace("_", "-") or default
    if not _TAG.fullmatch(tag):
        raise InputError("is not a language tag: write one such as en or zh-Hant")
    first, *others = tag.lower().split("-")
    return "-".join([first, *_cased(others)])


def _cased(subtags: list[str]) -> list[str]:
    private = subtags.index("x") if "x" in subtags else len(subtags)
    case = {2: str.upper, 4: str.title}
    public = [case.get(len(tag), str)(tag) if tag.isalpha() else tag for tag in subtags[:private]]
    return public + subtags[private:]


def disclosure(text: str) -> str:
    """How much of the signer a letter may show; a name when nothing is said."""
    level = text.strip().casefold() or "name"
    if level not in DISCLOSURES:
        raise InputError(f"is none of {', '.join(DISCLOSURES)}")
    return level


def answer(text: str) -> bool:
    """An explicit yes or no."""
    word = text.strip().casefold()
    if word not in ("yes", "no"):
        raise InputError("is neither yes nor no: say which" if word else "is empty: say yes or no")
    return word == "yes"


def leave(text: str) -> bool:
    """Yes or no, where silence is no."""
    return bool(text.strip()) and answer(text)


def moment(text: str, *, now: datetime) -> datetime:
    """A time with its offset (ISO 8601), in UTC, at most a day after `now`."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError("is not a time in ISO 8601: write one such as 2022-08-01T10:00:00+08:00") from error
    if at.tzinfo is None:
        raise InputError("has no offset from UTC: add one such as +02:00 or Z")
    try:
        at = at.astimezone(UTC)
    except OverflowError as error:
        raise InputError("is outside the calendar") from error
    if at > now + _AHEAD:
        raise InputError("lies in the future: check the clock or the year")
    return at
