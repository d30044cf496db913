"""An action as plain data: what a revision keeps, and the fingerprint that tells two revisions apart."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from uamail.actions.values import ActionFile
from uamail.event import canonical_json


def plain(action: ActionFile) -> dict[str, Any]:
    """JSON-able data: fields by name, days as ISO 8601, nothing left out."""
    data: dict[str, Any] = _plain(action)
    return data


def from_plain(data: Mapping[str, Any]) -> ActionFile:
    """The action that `plain` was given.

    Nothing is judged again: a revision that was accepted once stays readable when the rules grow stricter.
    Raises TypeError or ValueError for data that `plain` did not make.
    """
    action: ActionFile = _value(ActionFile, data)
    return action


def fingerprint(action: ActionFile) -> str:
    """Hex SHA-256 of the canonical plain form: the same for files that differ only in layout and comments."""
    return hashlib.sha256(canonical_json(plain(action))).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _value(kind: Any, data: Any) -> Any:
    """A value of a type as `values` has them: dataclass, tuple[X, ...], Mapping[str, X], X | None, date or scalar."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _value(hints[name], data[name]) for name in hints if name in data})  # type: ignore[operator]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (kind,) = (each for each in inner if each is not NoneType)
        return None if data is None else _value(kind, data)
    if origin is tuple:
        return tuple(_value(inner[0], each) for each in data)
    if origin is not None:
        return {key: _value(inner[1], each) for key, each in data.items()}
    return date.fromisoformat(data) if kind is date else data
