"""E-mail addresses and the words beside them, in the form that may stand in a header."""

import base64
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from uamail.errors import InputError
from uamail.mail.envelope import is_plain

MAX_WORDS = 500  # characters of a display name or subject; longer ones are a mistake or an attack

_LINE = 60  # characters of plain words on a line: with a field name well within the 78 of RFC 5322 2.1.1
_WORD = 39  # bytes in one encoded word: its line, with a field name, stays within 76 (RFC 2047 2)
_FOLD = "\r\n "
_ATOMS = re.compile(r"[A-Za-z0-9' -]+")  # words that need no quotes (RFC 5322 3.2.3)

_JOINERS = "\u200c\u200d"  # ZWNJ, ZWJ
_JOINER = re.compile("[\u200c\u200d]")
_VIRAMA = 9  # the combining class after which a joiner changes the letter's shape (RFC 5892 A.1, A.2)


@dataclass(frozen=True)
class Mailbox:
    """One addr-spec (RFC 5322 3.4.1): local part as given, domain in lower case and A-labels."""

    local: str
    domain: str

    @property
    def addr(self) -> str:
        return f"{self.local}@{self.domain}"

    def __str__(self) -> str:
        return self.addr


def parse(text: str, *, smtputf8: bool = False) -> Mailbox:
    """The one mailbox `text` names, checked by its syntax only (no DNS).

    Refused with InputError, which gives the reason and never the address: lists, display names, quoted local parts,
    routes ("%", "!"), address literals, names without a dot, special-use domains except .example and .test (RFC 2606),
    and local parts outside ASCII unless `smtputf8` says that the relay can carry them (RFC 6531).
    """
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InputError(f"not an e-mail address: {error}") from error
    mailbox = Mailbox(found.local_part, found.ascii_domain)
    if not mailbox.local.isascii():
        return _beyond_ascii(mailbox, allowed=smtputf8)
    if not is_plain(mailbox.addr):
        raise InputError(
            "not an e-mail address that every mail server reads alike (a route with % or !, an odd domain)"
        )
    return mailbox


def _beyond_ascii(mailbox: Mailbox, *, allowed: bool) -> Mailbox:
    if not allowed:
        raise InputError("the part before the @-sign is not ASCII, and the relay does not offer SMTPUTF8 (RFC 6531)")
    if not is_plain(f"x@{mailbox.domain}") or set("%!") & set(mailbox.local):
        raise InputError("not an e-mail address that every mail server reads alike")
    return mailbox


def header_safe(text: str) -> str:
    """`text` as it may stand in a header: NFC, single spaces, visible characters of any script.

    Cleaned, because honest texts hold them: white space around, runs and other kinds of spaces, tabs, invisible
    format characters (bidi controls, BOM, soft hyphen, tags) except the joiners that shape a letter, and "=?",
    which becomes "= ?" so that nothing reads it as an encoded word (RFC 2047 2).
    Refused with InputError, because no honest name or subject holds them: control characters inside the text (CR, LF,
    NUL, NEL, ...), line and paragraph separators, surrogates, noncharacters, more than 500 characters.
    """
    stripped = text.strip()
    if len(stripped) > MAX_WORDS:
        raise InputError(f"a header text has {len(stripped)} characters, at most {MAX_WORDS} are allowed")
    # Most names are visible characters and plain spaces only: nothing in them to take out or to refuse.
    visible = stripped if stripped.isprintable() else _visible(stripped)
    return " ".join(unicodedata.normalize("NFC", visible).split()).replace("=?", "= ?")


def _visible(text: str) -> str:
    kept = "".join(_allowed(c) for c in unicodedata.normalize("NFC", text))
    return _JOINER.sub(_needed, kept)


def _allowed(character: str) -> str:
    """The character itself, a space for any white space, or nothing for an invisible one; InputError otherwise."""
    category = unicodedata.category(character)
    if category == "Zs" or character == "\t":
        return " "
    if category in ("Cc", "Cs", "Zl", "Zp") or _noncharacter(ord(character)):
        raise InputError(f"a header text holds U+{ord(character):04X}, which has no place there")
    if category == "Cf" and character not in _JOINERS:
        return ""
    # Unassigned code points pass: this Python may not know the newest Han. The tag plane stays invisible for ever.
    return "" if 0xE0000 <= ord(character) <= 0xE00FF else character


def _noncharacter(point: int) -> bool:
    return point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF


def _needed(joiner: re.Match[str]) -> str:
    """A joiner after a virama or between letters is spelling (Persian, Malayalam, Sinhala); elsewhere it is a trick."""
    before, after = joiner.string[joiner.start() - 1 : joiner.start()], joiner.string[joiner.end() : joiner.end() + 1]
    if before and unicodedata.combining(before) == _VIRAMA:
        return joiner[0]
    return joiner[0] if _letter(before) and _letter(after) else ""


def _letter(character: str) -> bool:
    return character != "" and unicodedata.category(character)[0] in "LM"


def unstructured(text: str) -> str:
    """A subject as a folded header value in ASCII: plain lines where possible, else encoded words.

    `text` must be `header_safe`.
    """
    lines = textwrap.wrap(text, _LINE, break_long_words=False, break_on_hyphens=False)
    return _FOLD.join(lines if text.isascii() and max(map(len, lines), default=0) <= _LINE else _encoded(text))


def named(name: str, addr: str) -> str:
    """A display name and address as a folded header value in ASCII (RFC 5322 3.4); `name` must be `header_safe`."""
    if not name:
        return addr
    phrase = _phrase(name)
    last = len(phrase) - phrase.rfind("\n")
    return f"{phrase}{_FOLD if last + len(addr) > _LINE else ' '}<{addr}>"


def _phrase(name: str) -> str:
    if not name.isascii() or len(name) > _LINE:
        return _FOLD.join(_encoded(name))
    if _ATOMS.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encoded(text: str) -> Iterator[str]:
    """RFC 2047 encoded words in base64, cut between words where possible and never inside a character."""
    chunk = ""
    for piece in _pieces(text):
        if len((chunk + piece).encode()) > _WORD:
            yield f"=?utf-8?b?{base64.b64encode(chunk.encode()).decode()}?="
            chunk = ""
        chunk += piece
    yield f"=?utf-8?b?{base64.b64encode(chunk.encode()).decode()}?="


def _pieces(text: str) -> Iterator[str]:
    """Words with the space after them; the characters of a word that is too long by itself."""
    for word in re.findall("[^ ]+ ?", text):
        yield from [word] if len(word.encode()) <= _WORD else word
