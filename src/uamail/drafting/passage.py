"""Passages: a document cut at its labels, and gathered into one edition for each language it is published in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from uamail.drafting import language
from uamail.drafting.labels import Label, labelled
from uamail.drafting.lines import Line


@dataclass(frozen=True)
class Passage:
    """What follows a label (None: what comes before any); `rest` stood on the label's own line."""

    label: Label | None
    rest: str = ""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Edition:
    """One language's text of an Urgent Action; `language` is None when it cannot be told."""

    passages: tuple[Passage, ...]
    language: str | None = field(init=False)

    def __post_init__(self) -> None:
        longest = max((line.text for one in self.passages for line in one.lines), key=len, default="")
        object.__setattr__(self, "language", language.of(longest))

    def find(self, label: Label) -> Passage | None:
        return next((one for one in self.passages if one.label == label), None)

    def rest(self, label: Label) -> str:
        """What stands behind a label or, when nothing does, on the line below it."""
        found = self.find(label)
        if found is None:
            return ""
        return found.rest or (found.lines[0].text if found.lines else "")


def editions(lines: Iterable[Line]) -> list[Edition]:
    """The editions of a document: each begins with the line URGENT ACTION; what has none is one edition."""
    found: list[list[Passage]] = [[]]
    for one in _passages(lines):
        if one.label == "start" and any(passage.label for passage in found[-1]):
            found.append([])
        found[-1].append(one)
    return [Edition(tuple(passages)) for passages in found]


def _passages(lines: Iterable[Line]) -> Iterator[Passage]:
    label, rest, kept = None, "", list[Line]()
    for line in lines:
        if (found := labelled(line.text)) is None:
            kept.append(line)
            continue
        if label is not None or kept:
            yield Passage(label, rest, tuple(kept))
        label, rest, kept = found.label, found.rest, []
    yield Passage(label, rest, tuple(kept))


def groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand together, cut where there was an empty one."""
    made: list[list[Line]] = []
    for line in lines:
        if line.gap or not made:
            made.append([])
        made[-1].append(line)
    return made
