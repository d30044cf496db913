"""Trials: a form filled with words that nobody has, short, long and tall, to see what moves with them."""

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Final

from uamail.printing.form import Form
from uamail.printing.page import PieceSource

SHORT, LONG, TALL = range(3)
COUNT: Final = 3
_STACK: Final = "\u0f66\u0f9f"  # a stack of Tibetan, the tallest script: it makes its line grow
_LETTERS: Final = 14  # boxes that grow with their text are known to bear so much


def pieces(forms: Sequence[Form]) -> list[PieceSource]:
    """The three trials of each form, numbered from 1."""
    filled = [(form, _filled(form, kind)) for form in forms for kind in range(COUNT)]
    return [
        PieceSource(number=number, html=html, language=form.language, direction=form.direction, text="")
        for number, (form, html) in enumerate(filled, 1)
    ]


def word(hole: int, kind: int) -> str:
    """A word for a hole: no other hole's, nobody's, and of another width and height in each trial."""
    name = ascii_lowercase[hole // 26] + ascii_lowercase[hole % 26]
    return (f"Qx{name}q", f"Qx{name}q{'m' * _LETTERS}", _STACK * (hole + 2))[kind]


def _filled(form: Form, kind: int) -> str:
    return form.html_with([word(hole, kind) for hole in range(max(form.holes, default=-1) + 1)])
