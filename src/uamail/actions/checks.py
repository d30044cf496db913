"""What a single value of an action file may be; a check returns it normalised or raises ValueError with the remedy."""

import re
import unicodedata
from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from uamail import faxnumber
from uamail.actions import ua
from uamail.errors import InputError

_IDENTIFIER = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# RFC 5646 2.1, without extensions and private use; no language subtag of more than 3 letters was ever registered.
_LANGUAGE = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|\d{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*)",
    re.ASCII | re.IGNORECASE,
)
# CLDR's territories that are no ISO 3166 country. Kosovo (XK) stays: post is sent there.
_NO_COUNTRIES = frozenset(("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"))
# Embeddings and overrides make a text read otherwise than it is stored (Unicode TR 36); isolates do the honest work.
_BIDI_REFUSED = frozenset("\u202a\u202b\u202c\u202d\u202e")
_ISOLATES, _POP = frozenset("\u2066\u2067\u2068"), "\u2069"


def line(text: str) -> str:
    """One line of running text: NFC, no-break spaces as spaces, no control characters, bidi isolates balanced."""
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").strip()
    if not text:
        raise ValueError("write a text or leave the key out")
    for character in text:
        if _refused(character):
            raise ValueError(f"remove {_named(character)}; a line break or tab has no place here")
    if not _balanced(text):
        raise ValueError("close every bidi isolate (U+2066 to U+2068) with U+2069")
    return text


def prose(text: str) -> str:
    """Running text that may have line breaks; otherwise as `line`."""
    parts = text.replace("\r\n", "\n").strip().split("\n")
    return "\n".join(line(part) if part.strip() else "" for part in parts) if any(parts) else line("")


def _refused(character: str) -> bool:
    return character in _BIDI_REFUSED or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '(a control character)')}"


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in _ISOLATES) - (character == _POP)
        if depth < 0:
            return False
    return depth == 0


def identifier(text: str) -> str:
    """A name for programs: small letters, digits and single hyphens."""
    if _IDENTIFIER.fullmatch(text) is None:
        raise ValueError("use small letters a to z, digits and single hyphens, like xi-jinping")
    return text


def number(text: str) -> str:
    """A UA number without ordinal, normalised ("061/21" gives "61/21")."""
    try:
        key = ua.parse(text)
    except InputError:
        raise ValueError("write the UA number like 61/21") from None
    if key.ordinal is not None:
        raise ValueError(f'write the number alone, "{key.ua}", and ordinal = {key.ordinal} beside it')
    return key.ua


def index(text: str) -> str:
    """A document index such as "ASA 17/5905/2022"."""
    if not ua.is_index(text):
        raise ValueError("write the index like ASA 17/5905/2022")
    return " ".join(text.split())


def language(text: str) -> str:
    """A BCP 47 tag in its usual case ("zh-hant" gives "zh-Hant"; RFC 5646 2.1.1)."""
    found = _LANGUAGE.fullmatch(text)
    if found is None:
        raise ValueError("write a BCP 47 language tag like en, de-CH or zh-Hant")
    tags = (found["language"].lower(), (found["script"] or "").title(), (found["region"] or "").upper())
    return "-".join(tag for tag in tags if tag) + found["variants"].lower()


def script(text: str) -> str:
    """A script code of ISO 15924 such as Latn or Hans."""
    names = _scripts()
    if text not in names:
        raise ValueError(_remedy(text, names, "write an ISO 15924 script code like Latn, Hans or Arab"))
    return text


def country(text: str) -> str:
    """A country code of ISO 3166 such as CN, in capitals."""
    names = _countries()
    if text not in names:
        # "UK" is what people write; ISO 3166 reserves it for the United Kingdom without assigning it.
        hint = "write GB" if text == "UK" else _remedy(text, names, "write an ISO 3166 country code like CN or GB")
        raise ValueError(hint)
    return text


def zone(text: str) -> str:
    """An IANA time zone such as Europe/London."""
    if text not in _zones():
        raise ValueError(_nearest(text, _zones()) or "write an IANA time zone like Europe/London")
    return text


def email(text: str) -> str:
    """A mailbox that any mail server takes: ASCII before the @, the domain in its ASCII form (RFC 5321, RFC 5891)."""
    # Imported here because it brings a DNS resolver along, which costs every command its start-up time.
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise ValueError(f"write one bare e-mail address like office@ua.example. {error}") from error
    return checked.ascii_email or checked.normalized


def fax(text: str) -> str:
    """A fax number with its country code, normalised to E.164 ("+86 991 2825 429" gives "+869912825429")."""
    return faxnumber.parse(text)


def link(text: str) -> str:
    """An absolute http or https address."""
    parts = urlsplit(line(text))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a whole address that starts with https://")
    return text.strip()


def nearest(name: str, known: Collection[str]) -> str:
    """The remedy for an unknown name: the nearest known one, else all of them."""
    return _nearest(name, known) or f"use one of {', '.join(known)}"


def _nearest(name: str, known: Collection[str]) -> str | None:
    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else None


def _remedy(text: str, names: dict[str, str], otherwise: str) -> str:
    by_name = {name.casefold(): code for code, name in names.items()}
    code = by_name.get(text.casefold()) or (text.upper() if text.upper() in names else None)
    return f"write {code}" if code else otherwise


@lru_cache
def _countries() -> dict[str, str]:
    from babel import Locale

    territories = Locale("en").territories
    return {str(c): str(n) for c, n in territories.items() if len(c) == 2 and c not in _NO_COUNTRIES}


@lru_cache
def _scripts() -> dict[str, str]:
    from babel import Locale

    return {str(code): str(name) for code, name in Locale("en").scripts.items()}


@lru_cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
