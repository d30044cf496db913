"""Members: entries as they are read, each beside what is kept of it: its type, its time and the list of its members."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from uamail.event import stamp
from uamail.ledger.verify import Entry
from uamail.models.audit import SUBJECTS, spans_hash

# The last two columns lie beside the entry, which is found by them: they have to say what it says itself.
ENTRIES = """
SELECT l.id, e.body, l.leaf_hash, s.subject, s.first_id, s.last_id, e.type, e.at FROM audit_leaf l
LEFT JOIN audit_event e ON e.id = l.event_id LEFT JOIN audit_span s ON s.event_id = l.event_id
WHERE l.id >= {first} AND l.id < {end} ORDER BY l.id
"""
# Before the time of an entry stands only who acted: as far as one looks for it.
_NEAR = 120
# seq, body, leaf hash, one span (subject, first id, last id), and the type and the time beside the entry
_Row: TypeAlias = tuple[int, Any, Any, str | None, int | None, int | None, str | None, Any]


class Members:
    """Passes the entries of a log on, and finds the first beside which something else is kept than it commits to."""

    def __init__(self) -> None:
        self.bad: int | None = None
        self.problem: str | None = None
        self._open: list[_Row] = []

    def watch(self, chunks: Iterable[Sequence[_Row]]) -> Iterator[Sequence[Entry]]:
        """Every entry once; an entry with several members comes in several rows, and may go on in the next chunk."""
        for chunk in chunks:
            rows = [*self._open, *chunk]
            # Most entries have one row: then only the last one may not be whole.
            if len({row[0] for row in rows}) == len(rows) and _plain(rows):
                self._open = [rows.pop()]
                yield rows
            else:
                yield list(self._grouped(rows, whole=False))
        yield list(self._grouped(self._open, whole=True))

    def _grouped(self, rows: Sequence[_Row], *, whole: bool) -> Iterator[Entry]:
        groups = [list(group) for _, group in groupby(rows, key=itemgetter(0))]
        self._open = [] if whole else groups.pop()
        for group in groups:
            if len(group) == 1 and _plain(group):
                yield group[0]
                continue
            seq, body, leaf = map(_as_bytes, group[0][:3])
            spans = sorted((row[4], row[5]) for row in group if row[4] is not None and row[5] is not None)
            if len({row[3] for row in group}) != 1 or not _committed(body, group[0][3], spans):
                self._name(seq, "its member list is not the one it commits to")
            # Where the entry is gone there is nothing that its columns could say.
            elif body and not all(one in body for one in _beside(group[0][6], group[0][7])):
                self._name(seq, "the time or the type beside it is not its own")
            yield seq, body, leaf

    def _name(self, seq: int, problem: str) -> None:
        if self.bad is None or seq < self.bad:
            self.bad, self.problem = seq, f"entry {seq}: {problem}"


def _plain(rows: Sequence[_Row]) -> bool:
    """Whether every entry is sound and plainly covers just its one member; if not, they have to be looked at closely.

    Canonical JSON sorts its keys and escapes the quotes inside a text: these bytes are a fact of the event or nowhere,
    the time stands near the beginning, the type near the end, and a set behind a delivery.
    """
    known: tuple[str | None, Any] = (None, None)
    named = stamped = end = b""
    for _, body, leaf, subject, first, last, kind, at in rows:
        if (kind, at) != known:
            known = kind, at
            named, stamped = _beside(kind, at)
            end = named + b',"v":1}'
        if (
            first is None
            or first != last
            or subject != SUBJECTS[0]
            or type(body) is not bytes
            or type(leaf) is not bytes
        ):
            return False
        if body.find(stamped, 0, _NEAR) < 0 or not (body.endswith(end) or named in body):
            return False
        place = body.find(b'"delivery":%d,' % first)
        if place < 0 or body.find(b'"set":', place) >= 0:
            return False
    return True


@lru_cache(maxsize=4096)
def _beside(kind: str | None, at: Any) -> tuple[bytes, bytes]:
    """How an entry of this type and time says so; many have the same."""
    # SQLite hands out what it keeps: "2026-11-25 07:05:43.123456".
    moment = f"{at[:10]}T{at[11:]}Z" if isinstance(at, str) else stamp(at) if at else ""
    return f'"type":"{kind}"'.encode(), f'"at":"{moment}"'.encode()


def _as_bytes(value: Any) -> Any:
    # Whatever is no bytes was put there by foreign hands, and no leaf fits it.
    return (
        value if isinstance(value, int | bytes) else value.encode() if isinstance(value, str) else bytes(value or b"")
    )


def _committed(body: bytes, subject: str | None, spans: list[tuple[int, int]]) -> bool:
    """Whether an event that covers a set commits to exactly these members, and one that covers none has none."""
    try:
        facts: dict[str, Any] = json.loads(body)
    except ValueError:
        return True  # its leaf says so
    if "set" in facts:
        n = sum(last - first + 1 for first, last in spans)
        return bool(facts["n"] == n and facts["set"] == spans_hash(subject or "", spans)) if n else facts["n"] == 0
    own = next((name for name in SUBJECTS if name in facts), None)
    return (subject, spans) == (own, [(facts[own], facts[own])] if own else [])
