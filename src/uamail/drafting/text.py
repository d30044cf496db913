"""One edition as it is read: its title, contact and letter, and what is left over."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from uamail.drafting import contact, model
from uamail.drafting.contact import Contact
from uamail.drafting.labels import Label
from uamail.drafting.lines import Line
from uamail.drafting.model import Model
from uamail.drafting.passage import Edition

# Labels that have one line of their own; what follows it belongs to nothing.
_SHORT: tuple[Label, ...] = (
    *("index", "number", "issued", "languages", "deadline", "late", "subject", "previous", "own_language"),
)


@dataclass
class Text:
    """`tag` is the language (BCP 47), "und" when it cannot be told; `loose` are lines that no label claims."""

    edition: Edition
    tag: str
    title: str = ""
    contact: Contact | None = None
    model: Model | None = None
    loose: list[Line] = field(default_factory=list)


def read(edition: Edition) -> Text:
    """The parts of an edition, wherever its labels put them."""
    made = Text(edition, edition.language or "und")
    opening = next((one for one in edition.passages if one.label in ("start", None)), None)
    made.loose = list(opening.lines) if opening else []
    if opening is not None and opening.label == "start" and made.loose:
        made.title = made.loose.pop(0).text
    made.title = edition.rest("title") or made.title
    _letter(made)
    made.loose += _behind(edition)
    return made


def _letter(made: Text) -> None:
    """The contact stands before the salutation, in the same passage or in one of its own."""
    for label in ("target", "letter"):
        passage = made.edition.find(label)
        if passage is None:
            continue
        before, letter, after = model.split(passage.lines)
        if label == "target" and before:
            made.contact = contact.read(line.text for line in before)
        else:
            made.loose += before
        if letter and made.model is None:
            made.model = model.read(letter, language=made.tag)
        made.loose += after


def _behind(edition: Edition) -> Iterator[Line]:
    for label in _SHORT:
        if (found := edition.find(label)) is not None:
            yield from found.lines[0 if found.rest else 1 :]
