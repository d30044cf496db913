"""A target's block: role, name, postal address by script, fax and mail, with the gluing of word processors undone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from uamail.drafting import facts, language

_ROLE = re.compile(
    r"\b(?:President|Prime Minister|Minister|Governor|Secretary|Ambassador|Chair(?:man|woman|person)?|Director|King"
    r"|Queen|Attorney|General|Judge|Head|Mayor|Commissioner|Präsident\w*|Ministre|Ministro|Embajador\w*|Président\w*)\b"
    r"|主席|總統|总统|部長|部长|大使|書記|书记|總理|总理"
)
_HONORIFIC = re.compile(r"(?:Mr|Mrs|Ms|Mx|Dr|Prof|H\.?E)\.? +")
_FAX = re.compile(r"(?:Fax|Telefax|Télécopie|傳真|传真)\s*[:：]", re.IGNORECASE)
_MAIL_LABEL = re.compile(r"(?:E-?mails?|Courriel|電子(?:信箱|郵件)|电子邮[件箱])\s*[:：]", re.IGNORECASE)
_IN_CHINESE = re.compile(r"(?:.*\b)?in Chinese\s*[:：]?", re.IGNORECASE)
_IN_LATIN = re.compile(r"(?:.*\b)?in English\s*[:：]?", re.IGNORECASE)
# "…@mail.example In" and "Chinese:" on the next line.
_GLUED = re.compile(r"\bin\n(chinese|english)\s*[:：]", re.IGNORECASE)
_EMBASSY = re.compile(r"\b(?:Embassy|Botschaft|Ambassade|Embajada)\b|大使[館馆]", re.IGNORECASE)


@dataclass
class Contact:
    """Who is written to and where; `lines` by script (ISO 15924), `others` are further forms of an address."""

    name: str = ""
    role: str = ""
    lines: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    country: str | None = None
    mails: list[str] = field(default_factory=list)
    fax: str | None = None

    @property
    def is_embassy(self) -> bool:
        return any(_EMBASSY.search(line) for lines in self.lines.values() for line in lines)


def read(lines: Iterable[str]) -> Contact:
    """A block that begins with role and name, in either order, or both on one line of Chinese."""
    return _read(lines, heads=2)


def place(lines: Iterable[str]) -> Contact:
    """A block that is an address and nothing else."""
    return _read(lines, heads=0)


def _read(lines: Iterable[str], *, heads: int) -> Contact:
    """The block, of whose lines the first `heads` tell who it is."""
    texts = _GLUED.sub(r"\nin \1:", "\n".join(lines)).split("\n")
    made, plain = Contact(), list[str]()
    closed = False
    for text in map(str.strip, texts):
        if not text or _took(made, text):
            continue
        if _IN_CHINESE.fullmatch(text) or _IN_LATIN.fullmatch(text):
            closed = False
        elif code := facts.country(text):
            made.country, closed = code, True
        elif len(plain) < heads and not closed:
            plain.append(text)
        elif closed and language.script(text) in made.lines:
            made.others.append(text)
        else:
            made.lines.setdefault(language.script(text), []).append(text.rstrip(","))
    _name(made, plain)
    return made


def _took(made: Contact, text: str) -> bool:
    """Whether it is a line of fax or mail; what else stands on it is dropped (a label)."""
    found = facts.mails(text)
    made.mails += [one for one in found if one not in made.mails]
    if _FAX.match(text):
        made.fax = facts.telephone(text)
    return bool(found or _FAX.match(text) or _MAIL_LABEL.match(text))


def _name(made: Contact, plain: Sequence[str]) -> None:
    """Which of the first two lines is the name: the one that is no role."""
    first, second = (*plain, "", "")[:2]
    if language.is_han(first) and " " in first:
        made.role, _, made.name = first.rpartition(" ")
        rest = plain[1:]
    elif second and not _ROLE.search(second) and not _EMBASSY.search(second) and _ROLE.search(first):
        made.role, made.name, rest = first, second, ()
    elif _ROLE.search(second) and not _EMBASSY.search(second):
        made.name, made.role, rest = first, second, ()
    else:
        made.name, rest = first, plain[1:]
    made.name = _HONORIFIC.sub("", made.name, count=1)
    for line in reversed(rest):
        made.lines.setdefault(language.script(line), []).insert(0, line)


def is_embassy(texts: Iterable[str]) -> bool:
    return any(_EMBASSY.search(text) for text in texts)


def heads_an_address(text: str) -> bool:
    """Whether a line only says that an address follows ("Their postal address in Chinese:")."""
    return len(text) < 60 and (_IN_CHINESE.fullmatch(text) or _IN_LATIN.fullmatch(text)) is not None
