"""One letter in words: everything a target will read, before it becomes bytes or pages."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Letter:
    """The words of one letter to one target, merged; supporter text in it is plain text, never markup.

    `language` is the BCP 47 tag of the body. `signature` holds only the lines that the disclosure level
    allows. `origin` is "model", "edited" or "own" (own words).
    """

    language: str
    subject: str
    reference: str
    salutation: str
    paragraphs: tuple[str, ...]
    demands: tuple[str, ...]
    closing: str
    signature: tuple[str, ...]
    origin: str = "model"

    def context(self) -> dict[str, Any]:
        """Plain data for a template: strings and lists of strings only."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
