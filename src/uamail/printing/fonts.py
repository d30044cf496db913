"""The fonts a letter may use: pinned families for each script, in an order that depends on the letter's language."""

import os
import subprocess
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from uamail.errors import SettingError

# Generic names ("serif") are not used: for zh-Hant they gave a Japanese sans. All regional families of Noto Serif CJK
# draw the same characters; they differ in the shape they prefer.
_LATIN = ("Noto Serif",)
_HAN = {
    "TC": "Noto Serif CJK TC",
    "HK": "Noto Serif CJK HK",
    "SC": "Noto Serif CJK SC",
    "JP": "Noto Serif CJK JP",
    "KR": "Noto Serif CJK KR",
}
_RARE_HAN = ("HanaMinA", "HanaMinB")  # Extensions B and later, for personal names
_SCRIPTS = (
    "Noto Naskh Arabic",
    "Noto Serif Hebrew",
    "Noto Serif Armenian",
    "Noto Serif Georgian",
    "Noto Serif Ethiopic",
    "Noto Serif Devanagari",
    "Noto Serif Bengali",
    "Noto Serif Gujarati",
    "Noto Serif Gurmukhi",
    "Noto Serif Kannada",
    "Noto Serif Malayalam",
    "Noto Serif Tamil",
    "Noto Serif Telugu",
    "Noto Serif Sinhala",
    "Noto Sans Oriya",
    "Noto Serif Thai",
    "Noto Serif Lao",
    "Noto Serif Khmer",
    "Noto Serif Myanmar",
    "Noto Serif Tibetan",
    "Noto Sans Mongolian",
    "Noto Sans Yi",
    "Noto Sans Thaana",
    "Noto Sans Syriac",
    "Noto Sans NKo",
    "Noto Sans Adlam",
    "Noto Sans Tifinagh",
    "Noto Sans Cherokee",
    "Noto Sans Canadian Aboriginal",
    "Noto Sans Ol Chiki",
    "Noto Sans Hanifi Rohingya",
)
_SYMBOLS = ("Noto Sans Symbols", "Noto Sans Symbols2", "Noto Sans Math")

# Which family leads, by language; the script subtag is looked at first (see _leader).
_LEADERS = {
    "ar": "Noto Naskh Arabic", "fa": "Noto Naskh Arabic", "ur": "Noto Naskh Arabic", "ug": "Noto Naskh Arabic",
    "ps": "Noto Naskh Arabic", "ckb": "Noto Naskh Arabic", "sd": "Noto Naskh Arabic", "arab": "Noto Naskh Arabic",
    "he": "Noto Serif Hebrew", "yi": "Noto Serif Hebrew", "hebr": "Noto Serif Hebrew",
    "hi": "Noto Serif Devanagari", "ne": "Noto Serif Devanagari", "mr": "Noto Serif Devanagari",
    "deva": "Noto Serif Devanagari",
    "th": "Noto Serif Thai", "lo": "Noto Serif Lao", "km": "Noto Serif Khmer", "my": "Noto Serif Myanmar",
    "bo": "Noto Serif Tibetan", "tibt": "Noto Serif Tibetan", "ka": "Noto Serif Georgian", "hy": "Noto Serif Armenian",
    "am": "Noto Serif Ethiopic", "ti": "Noto Serif Ethiopic", "bn": "Noto Serif Bengali", "ta": "Noto Serif Tamil",
    "te": "Noto Serif Telugu", "si": "Noto Serif Sinhala", "gu": "Noto Serif Gujarati", "pa": "Noto Serif Gurmukhi",
    "kn": "Noto Serif Kannada", "ml": "Noto Serif Malayalam", "or": "Noto Sans Oriya", "dv": "Noto Sans Thaana",
    "ja": _HAN["JP"], "jpan": _HAN["JP"], "ko": _HAN["KR"], "kore": _HAN["KR"],
    "hant": _HAN["TC"], "tw": _HAN["TC"], "hk": _HAN["HK"], "mo": _HAN["HK"], "yue": _HAN["HK"],
    "zh": _HAN["SC"], "hans": _HAN["SC"],
}  # fmt: skip
_RTL = frozenset({"ar", "fa", "ur", "ug", "he", "yi", "ps", "ckb", "sd", "dv", "syr", "nqo"})
_RTL_SCRIPTS = frozenset({"arab", "hebr", "thaa", "syrc", "nkoo", "adlm", "rohg"})

# Drawn by shaping or not at all: a font without a glyph of its own for them loses nothing.
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


def leader(language: str) -> str:
    """The family that draws the running text of a BCP 47 language; the script and the region win over the language."""
    language, *rest = language.lower().replace("_", "-").split("-")
    # Latin or Cyrillic Uyghur, Serbian or Kazakh: all in Noto Serif.
    if {"latn", "cyrl", "grek"} & set(rest):
        return _LATIN[0]
    # A region tells Chinese apart; elsewhere it says nothing about the script ("ar-TW" is still Arabic).
    keys = [part for part in rest if len(part) == 4 or language == "zh"]
    regional = [_HAN["HK"]] if language == "zh" and {"hk", "mo"} & set(rest) else []
    found = regional + [_LEADERS[key] for key in (*keys, language) if key in _LEADERS]
    return found[0] if found else _LATIN[0]


def stack(language: str) -> list[str]:
    """Families for running text, best first: the language's own font leads, so its punctuation is its own too."""
    return _ordered(leader(language), language)


def names(language: str) -> list[str]:
    """Families for names and addresses in any script: Noto Serif leads, Han characters keep the language's shapes.

    The CJK fonts hold Greek and Cyrillic as full-width letters, which pulls a foreign name apart.
    """
    return _ordered(_LATIN[0], language)


def direction(language: str) -> str:
    """ "rtl" or "ltr" for a BCP 47 tag; a script subtag wins."""
    first, *rest = language.lower().replace("_", "-").split("-")
    scripts = [part for part in rest if len(part) == 4]
    rtl = bool(_RTL_SCRIPTS & set(scripts)) if scripts else first in _RTL
    return "rtl" if rtl else "ltr"


def allowed() -> frozenset[str]:
    """Every family that may be embedded in a letter."""
    return frozenset((*_LATIN, *_SCRIPTS, *_SYMBOLS, *_RARE_HAN, *_HAN.values()))


def missing(text: str, language: str = "und") -> str:
    """The characters of `text` that no allowed font draws, each once, in order of first use.

    Joiners, variation selectors, controls and spaces are not counted. Raises SettingError when a font package is not
    installed.
    """
    drawn = _drawn(language)
    lacking = (char for char in dict.fromkeys(text) if ord(char) not in drawn and not _invisible(char))
    return "".join(lacking)


@lru_cache(maxsize=64)
def _drawn(language: str) -> frozenset[int]:
    return coverage(frozenset(stack(language)))


@lru_cache(maxsize=16)
def coverage(families: frozenset[str] | None = None) -> frozenset[int]:
    """Code points that at least one of the families (default: every allowed one) draws."""
    found = _installed()
    return frozenset(point for family in families or allowed() for point in _points(found[family]))


@dataclass(frozen=True, kw_only=True)
class FontFile:
    """One font on disk: `index` counts the fonts of a collection, `points` are the code points it draws."""

    family: str
    bold: bool
    path: str
    index: int
    points: frozenset[int] = field(repr=False)


@lru_cache(maxsize=1)
def files() -> Mapping[tuple[str, bool], FontFile]:
    """The upright files of the allowed families, by family and whether they are bold; not every family has both."""
    listed = _fc_list("%{family[0]}|%{style[0]}|%{index}|%{file}|%{charset}\n")
    rows = (line.split("|", 4) for line in sorted(listed.splitlines(), reverse=True) if line.count("|") == 4)
    return {
        (family, style == "Bold"): FontFile(
            family=family, bold=style == "Bold", path=path, index=int(index), points=frozenset(_points(charset))
        )
        for family, style, index, path, charset in rows
        if family in allowed() and style in ("Regular", "Bold")
    }


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Family -> version of its regular file as fontconfig numbers it (16.16 fixed point), for the manifest."""
    listed = _fc_list("%{family[0]}|%{fontversion}\n")
    pairs = (line.split("|") for line in sorted(listed.splitlines()) if line.count("|") == 1)
    return {family: f"{int(number) / 65536:.3f}" for family, number in pairs if number.isdigit()}


@lru_cache(maxsize=1)
def folders() -> tuple[str, ...]:
    """The directories that hold fonts."""
    return tuple(sorted({os.path.dirname(file) for file in _fc_list("%{file}\n").splitlines()}))


def _ordered(first: str, language: str) -> list[str]:
    han = leader(language)
    if not han.startswith("Noto Serif CJK"):
        han = _HAN["TC"]
    return list(dict.fromkeys((first, *_LATIN, *_SCRIPTS, han, *_RARE_HAN, *_SYMBOLS)))


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE or 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    """Family -> its characters in fontconfig's notation, read once per process.

    Fontconfig, not the font files: it is what the layout engine chooses by, and it has read them already.
    """
    listed = _fc_list("%{family[0]}|%{style[0]}|%{charset}\n")
    rows = (line.split("|", 2) for line in listed.splitlines())
    found = {row[0]: row[2] for row in rows if len(row) == 3 and row[0] in allowed() and row[1] == "Regular"}
    _require(found)
    return found


def _fc_list(form: str) -> str:
    """What fontconfig lists. Raises SettingError when it is not installed."""
    try:
        command = ["fc-list", "--format", form]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingError("fonts", "fc-list", "cannot be run; install the package fontconfig") from error


def _require(found: Iterable[str]) -> None:
    packages = (
        ("fonts-noto-core", _LATIN + _SCRIPTS + _SYMBOLS),
        ("fonts-noto-cjk", tuple(_HAN.values())),
        ("fonts-hanazono", _RARE_HAN),
    )
    for package, families in packages:
        absent = sorted(set(families) - set(found))
        if absent:
            raise SettingError("fonts", ", ".join(absent), f"not installed; install the package {package}")


def _points(charset: str) -> Iterable[int]:
    """Code points of fontconfig's "20-7e a0-377 37a": hexadecimal, ranges inclusive."""
    for part in charset.split():
        low, _, high = part.partition("-")
        yield from range(int(low, 16), int(high or low, 16) + 1)
