"""OMR marks: the short lines at the edge by which a folding machine knows where a letter ends."""

from collections.abc import Callable, Mapping
from typing import Final

from uamail.printing.profile import OMR_MEANINGS, Omr
from uamail.printing.sheetcode import SheetCode

_PT_PER_MM: Final = 72 / 25.4
_BITS: Final[Mapping[str, Callable[[SheetCode], int]]] = {
    "piece": lambda code: code.piece,
    "sheet": lambda code: code.sheet,
}
_PLAIN: Final[Mapping[str, Callable[[SheetCode], bool]]] = {
    "always": lambda _: True,
    "first": lambda code: code.sheet == 1,
    "last": lambda code: code.sheet == code.sheets,
    "more": lambda code: code.sheet < code.sheets,
}


def drawn(code: SheetCode, marks: tuple[str, ...]) -> tuple[int, ...]:
    """The places (from 0) at which a sheet has its mark; `marks` says what each place means.

    Raises ValueError for a word that is not one of the meanings.
    """
    places = [place for place, word in enumerate(marks) if word != "even" and _says(code, word)]
    # The parity mark makes the number of all marks even, so that one that is lost stops the machine.
    places += [place for place, word in enumerate(marks) if word == "even" and len(places) % 2]
    return tuple(sorted(places))


def _says(code: SheetCode, word: str) -> bool:
    if word not in OMR_MEANINGS:
        raise ValueError(f"{word!r} is no meaning of a mark; known are {', '.join(OMR_MEANINGS)}")
    kind, _, bit = word.partition("-")
    return bool(_BITS[kind](code) & int(bit)) if bit else _PLAIN[word](code)


def operators(code: SheetCode, table: Omr, *, dx: float, dy: float, height: float) -> bytes:
    """Page operators (black ink only) of the marks on a sheet `height` mm high, moved by dx and dy mm."""
    lines = [
        f"{(table.x + dx) * _PT_PER_MM:.3f} {(height - _top(table, place) - dy) * _PT_PER_MM:.3f}"
        f" {table.length * _PT_PER_MM:.3f} {-table.thickness * _PT_PER_MM:.3f} re"
        for place in drawn(code, table.marks)
    ]
    return f"q 0 0 0 1 k {' '.join(lines)} f Q\n".encode() if lines else b""


def _top(table: Omr, place: int) -> float:
    return table.y + place * table.pitch
