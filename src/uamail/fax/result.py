"""A result file: what a fax server says became of one job."""

import json
import re
from dataclasses import dataclass
from typing import Literal, cast

from uamail.errors import InputError

Status = Literal["sent", "failed", "busy"]
STATUSES = ("sent", "failed", "busy")
MOST_BYTES = 64 << 10
_MOST_REASON = 200  # characters: words for a person, not a protocol
_NAME = re.compile(r"F([1-9][0-9]{0,17})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of the job of one attempt; `reason` are the server's words, in one line."""

    attempt_id: int
    status: Status
    reason: str = ""


def name(attempt_id: int) -> str:
    """The name of a job and of its files: an id and nothing else."""
    return f"F{attempt_id}"


def attempt(name: str) -> int | None:
    """The attempt of a job's name, None for a name that no job has."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def read(name: str, data: bytes) -> Result:
    """A result from its file `{"status": "sent" | "failed" | "busy", "reason": "..."}`.

    Other keys are the server's own business. Raises InputError, which never quotes the file.
    """
    attempt_id = attempt(name)
    if attempt_id is None:
        raise InputError("it belongs to no job of ours")
    if len(data) > MOST_BYTES:
        raise InputError(f"it has more than {MOST_BYTES} bytes")
    try:
        told = json.loads(data)
    except ValueError:
        raise InputError("it is not JSON in UTF-8") from None
    status, reason = (told.get("status"), told.get("reason", "")) if isinstance(told, dict) else (None, "")
    if status not in STATUSES or not isinstance(reason, str):
        raise InputError(f"its status is none of {', '.join(STATUSES)}")
    plain = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return Result(attempt_id=attempt_id, status=cast(Status, status), reason=plain[:_MOST_REASON])
