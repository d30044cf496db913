"""A finding: one thing that was looked at, and how it stands."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, its `state`, and the `words` for a person, with the remedy where one is needed.

    "unknown" means that it could not be looked at; a "warning" does not keep letters from going out well.
    """

    what: str
    state: State
    words: str
