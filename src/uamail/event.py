"""The canonical audit event: what is written, byte for byte, when something happened."""

import hashlib
import json
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TypeAlias

VERSION = 1
# An event is a fact with ids; a text that does not fit has no business in it.
MAX_BYTES = 1024

_OWN = frozenset({"v", "type", "at", "actor"})

Fact: TypeAlias = str | int | bool | None


@dataclass(frozen=True)
class Event:
    """One thing that happened: `type` is "noun:participle", `facts` hold ids, codes and hashes, never a name."""

    type: str
    at: datetime
    actor: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def canonical(self) -> bytes:
        """UTF-8 JSON in NFC with sorted keys and no spaces, at most 1,024 bytes (the RFC 8785 subset without floats).

        Raises ValueError when a fact is not a string, an integer, a boolean or null, or the event is too long.
        """
        for key, value in self.facts.items():
            if key in _OWN:
                raise ValueError(f"{key} is the event's own and cannot be a fact of {self.type}")
            if not isinstance(value, str | int | bool | None):
                raise ValueError(f"fact {key} of {self.type} is a {type(value).__name__}")
        data = {**self.facts, "v": VERSION, "type": self.type, "at": stamp(self.at), "actor": self.actor}
        text = canonical_json(data)
        if len(text) > MAX_BYTES:
            raise ValueError(f"event {self.type} has {len(text)} bytes, at most {MAX_BYTES} are allowed")
        return text


@dataclass(frozen=True)
class Stencil:
    """The canonical bytes of many events of one type, moment and actor, made without building each anew."""

    type: str
    at: datetime
    actor: str

    def fill(self, facts: Mapping[str, Fact]) -> bytes:
        """The same bytes as `Event(type, at, actor, facts).canonical()`, with the same errors."""
        keys = tuple(facts)
        form = _form(self.type, self.at, self.actor, keys)
        text = form % tuple([_written(facts[key]) for key in sorted(keys)])
        if not text.isascii() or len(text) > MAX_BYTES:
            return Event(self.type, self.at, self.actor, facts).canonical()
        return text.encode()


@lru_cache(maxsize=64)
def _form(type_: str, at: datetime, actor: str, keys: tuple[str, ...]) -> str:
    """The text of an event with a hole for each fact. Raises ValueError as `Event.canonical` does."""
    frame = json.loads(Event(type_, at, actor, dict.fromkeys(keys)).canonical())
    parts = (f"{json.dumps(key)}:{'%s' if key in keys else _escaped(frame[key])}" for key in sorted(frame))
    return "{" + ",".join(parts) + "}"


def _escaped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("%", "%%")


def _written(value: Fact) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if not isinstance(value, int | None):
        raise ValueError(f"a fact is a {type(value).__name__}")
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds; raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be recorded")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical_json(data: Mapping[str, object]) -> bytes:
    """The canonical bytes of plain data: sorted keys, no spaces, UTF-8 in NFC."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return unicodedata.normalize("NFC", text).encode()


def excerpt(text: str, most: int = 300) -> str:
    """As much of a text as takes `most` bytes of an event: a reason in Chinese takes three a character."""
    kept = unicodedata.normalize("NFC", text)[:most]
    while len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace")) - 2 > most:
        kept = kept[:-1]
    return kept


def commitment(salt: bytes, private: Mapping[str, object]) -> str:
    """Hex SHA-256 over a 32-byte salt and the canonical private part: says nothing until it is opened."""
    return hashlib.sha256(salt + canonical_json(private)).hexdigest()


def commitment_to_bytes(salt: bytes, sha256: str) -> str:
    """The commitment to bytes by their hash (hex): `commitment(salt, {"sha256": …})`, for every single letter."""
    return hashlib.sha256(b'%b{"sha256":"%b"}' % (salt, sha256.encode())).hexdigest()


def new_salt() -> bytes:
    return secrets.token_bytes(32)
