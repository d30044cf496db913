"""A webhook call as it came: headers and body, before anything in it is believed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from uamail.errors import InputError
from uamail.mail.incoming.report import Report, plain

MAX_BODY = 1 << 20


@dataclass(frozen=True)
class Call:
    """`headers` by their names in lower case; the body as bytes, because signatures are over bytes."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A genuine call: `event` is the provider's own name for it, by which a second one is known."""

    event: str
    report: Report


class Forged(InputError):
    """A call that is not from whom it says, too old, or seen with other content; nothing in it is believed."""


def stored(data: bytes) -> Call:
    """A call from a file: header lines, an empty line, the body. Raises InputError."""
    head, found, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = [line.partition(":") for line in head.decode("latin-1").splitlines()]
    if not found or not all(colon for _, colon, _ in lines):
        raise InputError("a stored call is header lines, an empty line and the body")
    return Call({name.strip().lower(): value.strip() for name, _, value in lines}, body)


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is. Raises InputError for anything else, and for one that is too big or too deep."""
    if len(body) > MAX_BODY:
        raise InputError(f"the body has {len(body)} bytes, at most {MAX_BODY} are read")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("the body is not JSON") from error
    if not isinstance(found, dict):
        raise InputError("the body is not a JSON object")
    return found


def at(data: Any, *path: str) -> Any:
    """The value at a path of keys, or None when something on the way is missing or no object."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def word(data: Any, *path: str, most: int = 1000) -> str:
    """The text at a path, or nothing; a number is written out."""
    found = at(data, *path)
    return plain(str(found)[:most]) if isinstance(found, str | int) and not isinstance(found, bool) else ""
