"""A supporter's own text taken apart: greeting, paragraphs and closing, without what the letter sets itself."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

# Characters; longer lines are prose, not a greeting or a closing.
_GREETING_LIMIT = 60
_CLOSING_LIMIT = 40
_LINE_LIMIT = 200  # the longest line that is compared at all: a joint salutation names several people
_GREETING_ENDS = (",", ":", "!", "，", "：", "！", "،")
_CLOSING_ENDS = (",", "，", "،")

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ASCII_SIGN = re.compile("[^a-z0-9]+")

Words = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OwnWords:
    """`salutation` and `closing` are the supporter's own where they wrote some that may stand, else None."""

    salutation: str | None
    paragraphs: tuple[str, ...]
    closing: str | None


def take_apart(
    text: str, *, salutation: str, greetings: Collection[str], closings: Collection[str], names: Collection[str]
) -> OwnWords:
    """Split own words at blank lines; single newlines stay inside their paragraph.

    `salutation` is how this target will be greeted, `greetings` are all salutations of the action: a typed
    greeting that names another target goes, because a wrong name on a letter does real harm. `names` are
    the lines the letter signs with anyway, and the signer's name even where the level hides it.
    """
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")]
    greeting, lines = _opened(lines, salutation=salutation, greetings=greetings)
    closing, lines = _closed(lines, closings=_known(frozenset(closings)), names=[words(name) for name in names])
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    return OwnWords(salutation=greeting, paragraphs=tuple(part for part in paragraphs if part), closing=closing)


def words(text: str) -> Words:
    """The words of a line for comparing: no case, no punctuation; every Han character is a word of its own."""
    folded = _HAN.sub(r" \g<0> ", unicodedata.normalize("NFKC", text).casefold())
    if folded.isascii():
        return tuple(_ASCII_SIGN.sub(" ", folded).split())
    return tuple("".join(" " if unicodedata.category(sign)[0] in "PZSC" else sign for sign in folded).split())


@lru_cache(maxsize=4096)
def _known(lines: frozenset[str]) -> frozenset[Words]:
    """The lines an action knows: the same for each of its letters, and nobody's secret."""
    return frozenset(words(line) for line in lines)


def _opened(lines: list[str], *, salutation: str, greetings: Collection[str]) -> tuple[str | None, list[str]]:
    """The greeting that may stand, and the lines after the one that was typed."""
    first, rest = lines[0], lines[1:]
    known = _known(frozenset({*greetings, salutation}))
    if len(first) <= _LINE_LIMIT and words(first) in known:
        return None, rest
    for end in (at for at, character in enumerate(first[:_LINE_LIMIT]) if character in _GREETING_ENDS):
        if words(first[:end]) in known:
            return None, [first[end + 1 :].strip(), *rest]
    if not rest or len(first) > _GREETING_LIMIT or not first.endswith(_GREETING_ENDS):
        return None, lines
    return (None if _names_another(first, salutation, greetings) else first), rest


def _names_another(line: str, salutation: str, greetings: Collection[str]) -> bool:
    """Whether a word of the line belongs to another target's salutation and not to this one's."""
    foreign = {word for greeting in _known(frozenset(greetings)) for word in greeting} - set(words(salutation))
    return not foreign.isdisjoint(words(line))


def _closed(lines: list[str], *, closings: frozenset[Words], names: Sequence[Words]) -> tuple[str | None, list[str]]:
    """The closing that may stand, and the lines before what the letter adds by itself."""
    signed = False
    while lines and _is_ending(lines[-1], closings, names):
        signed = signed or bool(lines[-1])
        lines = lines[:-1]
    # A closing the action does not know, right above a name: keep it, so that the letter does not close twice.
    if signed and lines and len(lines[-1]) <= _CLOSING_LIMIT and lines[-1].endswith(_CLOSING_ENDS):
        return lines[-1], lines[:-1]
    return None, lines


def _is_ending(line: str, closings: frozenset[Words], names: Sequence[Words]) -> bool:
    """Nothing, a known closing, a name, or a closing with the name behind it on the same line."""
    if len(line) > _LINE_LIMIT:
        return False
    typed = words(line)
    rests = [typed[len(closing) :] for closing in closings if closing and typed[: len(closing)] == closing]
    return not line or _is_name(typed, names) or any(not rest or _is_name(rest, names) for rest in rests)


def _is_name(typed: Words, names: Sequence[Words]) -> bool:
    """Whether a line holds nothing but words, or first letters, of one of the names."""
    return any(typed and all(_begins(word, name) for word in typed) for name in names)


def _begins(word: str, name: Words) -> bool:
    return word in name or (len(word) == 1 and any(part.startswith(word) for part in name))
