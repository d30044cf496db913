"""A draft: an action file in the making, and a doubt for everything that its document leaves open."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Doubt:
    """What a person has to look at: the field by its dotted path in the action file, and why."""

    field: str
    words: str


@dataclass
class Draft:
    """`data` has the form of an action file, with empty values where something is missing.

    `unused` are lines of the document that have no place in an action file.
    """

    data: dict[str, Any] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def doubt(self, path: str, words: str) -> None:
        self.doubts.append(Doubt(path, words))

    def missing(self, path: str) -> str:
        """The empty value of a field that the document does not tell."""
        self.doubt(path, "the document does not say it")
        return ""
