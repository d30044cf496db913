"""A finding: one thing that was looked at, and how it stands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from uamail.errors import UamailError

State = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, its `state`, and the `words` for a person, with the remedy where one is needed.

    "unknown" means that it could not be looked at; a "warning" does not keep letters from going out well.
    """

    what: str
    state: State
    words: str


def tried(what: str, look: Callable[[], Finding]) -> Finding:
    """What goes wrong on the way is the finding; our own errors name the remedy."""
    try:
        return look()
    except UamailError as error:
        return Finding(what, "problem", str(error))
    except SQLAlchemyError as error:
        # The first line names the server or the file; the rest is a statement with its values.
        problem = str(getattr(error, "orig", None) or error).partition("\n")[0]
        return Finding(what, "problem", f"it does not answer: {problem}; see database.url")
    except OSError as error:
        return Finding(what, "problem", f"{error.filename or what}: {error.strerror}")
