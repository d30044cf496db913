"""The script each character of a line belongs to, and the language it is shaped in, as Pango decides."""

import ctypes
from functools import lru_cache
from typing import Any, Final

from fontTools import unicodedata as characters

from uamail.errors import SettingError

_SHARED: Final = frozenset({"Zyyy", "Zinh", "Zzzz"})  # common, inherited, unknown: they take their neighbour's script
_UNKNOWN: Final = "xx"  # what Pango calls a language that must not turn any feature on
_PANGO, _GLIB = "libpango-1.0.so.0", "libglib-2.0.so.0"


def scripts(text: str) -> list[str]:
    """The ISO 15924 code of each character; shared ones take that of the text before, the first ones that after."""
    found = [_script(character) for character in text]
    last = next((script for script in found if script not in _SHARED), "Zyyy")
    for place, script in enumerate(found):
        last = found[place] = last if script in _SHARED else script
    return found


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    return str(characters.script(character))


@lru_cache(maxsize=1024)
def language(letter: str, script: str) -> str:
    """The language a run is shaped in: the letter's own where it is written in that script, else a sample of it.

    Pango is asked: which languages it knows to be written in which scripts is a table of its own, and fonts choose
    shapes and even spaces by what it says. Raises SettingError when Pango is not installed.
    """
    pango, glib = _library(_PANGO), _library(_GLIB)
    number = glib.g_unicode_script_from_iso15924(int.from_bytes(script.encode("ascii"), "big"))
    tag = pango.pango_language_from_string(letter.encode("ascii"))
    if pango.pango_language_includes_script(ctypes.c_void_p(tag), number):
        return letter
    sample = pango.pango_script_get_sample_language(number)
    if sample is None:
        return _UNKNOWN
    name: bytes = pango.pango_language_to_string(ctypes.c_void_p(sample))
    return name.decode("ascii")


@lru_cache(maxsize=2)
def _library(name: str) -> Any:
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise SettingError("printing", name, "cannot be loaded; install the package libpango-1.0-0") from error
    if name == _PANGO:
        library.pango_language_from_string.restype = ctypes.c_void_p
        library.pango_script_get_sample_language.restype = ctypes.c_void_p
        library.pango_language_to_string.restype = ctypes.c_char_p
    return library
