"""Forming: the letters of a batch that say the same share one form, cut where each has words of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from uamail.letters import environment
from uamail.letters.language import direction
from uamail.letters.letter import Letter
from uamail.letters.showing import deciding
from uamail.letters.words import fingerprint
from uamail.printing.form import Form, FormLetter, Piece, hole, holed
from uamail.printing.page import PieceSource

_Page = Callable[[], Mapping[str, Any]]
TEMPLATE: Final = "letter.html"
_FOLDER: Final = "print"


class Forms:
    """The forms of one batch, made as they are met.

    What differs between two letters to one target in one language is the reference and the lines of the signature;
    that the template only shows them is read from its syntax. Letters with own words share no form.
    """

    def __init__(self, *, templates_dir: Path | None) -> None:
        self._templates_dir = templates_dir
        self._known: dict[tuple[Any, ...], Form | None] = {}
        own = frozenset({"ref", "signature"})
        counted = frozenset({"signature"})
        problem = deciding(_FOLDER, own, counted=counted, files=(TEMPLATE,), templates_dir=templates_dir)
        self._shared = problem is None

    def piece(self, number: int, letter: Letter, *, key: tuple[Any, ...], ref: str, page: _Page) -> Piece:
        """The letter ready for layout, its reference `ref` at the foot.

        `page` says what the template needs besides: the same for all letters of `key`, and asked for once.
        """
        fields = (ref, *letter.signature)
        form = None
        if letter.origin == "model" and self._shared:
            form = self._form((*key, len(fields)), letter, page)
        if form is not None:
            return FormLetter(number=number, form=form, fields=fields)
        return PieceSource(
            number=number,
            html=self._html(letter, letter.signature, {**page(), "ref": ref}),
            language=letter.language,
            direction=direction(letter.language),
            text=_text(letter, letter.signature),
            apart="template" if letter.origin == "model" else "own words",
        )

    def _form(self, key: tuple[Any, ...], letter: Letter, page: _Page) -> Form | None:
        if key not in self._known:
            marks = tuple(hole(place) for place in range(1, len(letter.signature) + 1))
            shared = page()
            made = Form(
                html=self._html(letter, marks, {**shared, "ref": hole(0)}),
                text=_text(letter, marks),
                language=letter.language,
                direction=direction(letter.language),
            )
            taken = any(holed(text) for text in _strings([{**letter.context(), "signature": ()}, shared]))
            self._known[key] = None if taken else made
        return self._known[key]

    def _html(self, letter: Letter, signature: Sequence[str], page: Mapping[str, Any]) -> str:
        context = {**letter.context(), "signature": list(signature), **page, "direction": direction(letter.language)}
        return environment.render(f"{_FOLDER}/{TEMPLATE}", context, templates_dir=self._templates_dir)


def edition(templates_dir: Path | None) -> str:
    """A word that changes with the template of the letters."""
    return fingerprint(_FOLDER, files=(TEMPLATE,), templates_dir=templates_dir)


def _text(letter: Letter, signature: Sequence[str]) -> str:
    return "\n".join(
        (letter.subject, letter.salutation, *letter.paragraphs, *letter.demands, letter.closing, *signature)
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for one in value.values() for text in _strings(one))
    elif isinstance(value, list | tuple):
        yield from (text for one in value for text in _strings(one))
