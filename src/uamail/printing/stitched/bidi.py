"""Which way each character of a line runs: the embedding levels of FriBidi (UAX #9), as the reference lane has them."""

import ctypes
import ctypes.util
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from uamail.errors import SettingError

_T = TypeVar("_T")
_LIBRARY: Final = "libfribidi.so.0"
_BASE: Final = {"ltr": 0x00000110, "rtl": 0x00000111}  # FRIBIDI_PAR_LTR, FRIBIDI_PAR_RTL of fribidi-bidi-types.h


def levels(text: str, direction: str) -> list[int]:
    """The level of each character of one line whose paragraph runs "ltr" or "rtl"; odd ones run right to left."""
    library, count = _library(), len(text)
    points = (ctypes.c_uint32 * count)(*map(ord, text))
    types, brackets = (ctypes.c_uint32 * count)(), (ctypes.c_uint32 * count)()
    found, base = (ctypes.c_int8 * count)(), ctypes.c_uint32(_BASE[direction])
    library.fribidi_get_bidi_types(points, count, types)
    library.fribidi_get_bracket_types(points, count, types, brackets)
    library.fribidi_get_par_embedding_levels_ex(types, brackets, count, ctypes.byref(base), found)
    return list(found)


def ordered(runs: Sequence[_T], run_levels: Sequence[int]) -> list[_T]:
    """Runs of a line from left to right (UAX #9, rule L2)."""
    order = list(range(len(runs)))
    odd = [level for level in run_levels if level % 2]
    for level in range(max(run_levels, default=0), min(odd, default=1) - 1, -1):
        place = 0
        while place < len(order):
            end = place
            while end < len(order) and run_levels[order[end]] >= level:
                end += 1
            order[place:end] = reversed(order[place:end])
            place = max(end, place + 1)
    return [runs[place] for place in order]


@lru_cache(maxsize=1)
def _library() -> Any:
    """FriBidi. Raises SettingError when it is not installed."""
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise SettingError("printing", _LIBRARY, "cannot be loaded; install the package libfribidi0") from error
