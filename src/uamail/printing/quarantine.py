"""Quarantine: letters that cannot be laid out are left out, and the others come as they would without them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from uamail.errors import LayoutStopped, MissingGlyph, PrintError
from uamail.printing.form import Piece

MOST_LETTERS: Final = 100
"""Letters of one document: fewer share fonts less, more have to be tried one by one when one of them is bad."""
MOST_TEXT: Final = 200_000
"""Characters of one document: about five seconds of layout."""

_T = TypeVar("_T")
_Work = Callable[[Sequence[Piece]], _T]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A piece left out: reason "glyph" (no font draws `characters`) or "layout" (`detail` says what is wrong)."""

    number: int
    reason: str
    characters: str = ""
    detail: str = ""


class Quarantine(Generic[_T]):
    """Lays out letters group by group with `work`, which raises for a group that it cannot do."""

    def __init__(self, pieces: Sequence[Piece], work: _Work[_T]) -> None:
        self._pieces, self._work = pieces, work
        self._alone: dict[int, Refusal | None] = {}
        self._exonerated = False

    def lay_out(self, progress: Callable[[int], None]) -> tuple[list[_T], list[Refusal]]:
        """What `work` made of each group, and the letters that are in none.

        `progress` is called with the number of letters done. Raises PrintError when the first group fails and so does,
        alone, each of the first, the middle and the last letter: then it is the template, not a letter.
        """
        made: list[_T] = []
        waiting, most = list(self._pieces), MOST_LETTERS
        while waiting:
            group = first(waiting, most)
            try:
                made.append(self._work(group))
                waiting = waiting[len(group) :]
                self._exonerated = True
            except Exception as error:
                if not self._found(group, error):
                    # None fails alone: together they are too much for this machine.
                    most = (len(group) + 1) // 2
                # The groups are made anew, so that they are what they would be if the bad ones had never been there.
                waiting = [piece for piece in waiting if self._alone.get(piece.number) is None]
            progress(len(self._pieces) - len(waiting))
        return made, [one for one in self._alone.values() if one is not None]

    def _found(self, group: Sequence[Piece], error: Exception) -> bool:
        """Whether there are letters in a broken group that break it alone."""
        if len(group) == 1:
            self._alone[group[0].number] = refusal(group[0], error)
        elif not self._exonerated:
            self._hear_witnesses()
        return any([self._tried(piece) for piece in group])

    def _hear_witnesses(self) -> None:
        witnesses = {0, len(self._pieces) // 2, len(self._pieces) - 1}
        said = [self._tried(self._pieces[place]) for place in sorted(witnesses)]
        if None not in said and said[0] is not None:
            raise PrintError(f"letters of this batch cannot be laid out: {said[0].detail or 'a character is missing'}")
        self._exonerated = True

    def _tried(self, piece: Piece) -> Refusal | None:
        """Why this letter alone cannot be laid out; None when it can."""
        if piece.number not in self._alone:
            self._alone[piece.number] = None
            try:
                self._work([piece])
            except Exception as error:
                self._alone[piece.number] = refusal(piece, error)
        return self._alone[piece.number]


def first(pieces: Sequence[Piece], most: int = MOST_LETTERS) -> Sequence[Piece]:
    """The letters of the next document: at least one, and no more than `most` or than it takes MOST_TEXT characters."""
    text = 0
    for place, piece in enumerate(pieces[:most]):
        text += len(piece.text)
        if text > MOST_TEXT and place:
            return pieces[:place]
    return pieces[:most]


def refusal(piece: Piece, error: Exception) -> Refusal:
    """Why a letter is left out, without a word of it."""
    if isinstance(error, MissingGlyph):
        return Refusal(number=piece.number, reason="glyph", characters=error.characters)
    if isinstance(error, LayoutStopped):
        return Refusal(number=piece.number, reason="layout", detail=error.why)
    why = str(error) if isinstance(error, PrintError) else f"the layout engine fails at it ({type(error).__name__})"
    return Refusal(number=piece.number, reason="layout", detail=why)
