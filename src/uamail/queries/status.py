"""Status: for every action, target and channel, where the letters are, and whether the books balance."""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from uamail.models import Action, Appeal, Counter, Delivery, Exclusion, Target
from uamail.models.delivery import RUN, SUPPORTER

Cells = dict[str, dict[str, dict[str, int]]]
Pairs = dict[str, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class Status:
    """One action's books. `differences` names what does not add up; empty when balanced."""

    ua: str
    appeals: int
    unrouted: int
    deliveries: Cells
    excluded: Cells
    supporters: Mapping[str, Mapping[str, int]]
    # The mails of runs by target and state: what they list is counted in `deliveries`.
    digests: Mapping[str, Mapping[str, int]]
    differences: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        return not self.differences

    def plain(self) -> dict[str, Any]:
        return {
            "ua": self.ua,
            "appeals": self.appeals,
            "unrouted": self.unrouted,
            "deliveries": self.deliveries,
            "excluded": self.excluded,
            "supporters": {kind: dict(states) for kind, states in self.supporters.items()},
            "digests": {key: dict(states) for key, states in self.digests.items()},
            "differences": list(self.differences),
            "balanced": self.balanced,
        }


def status(session: Session, action: Action) -> Status:
    """Count everything of an action and compare: signed = states + excluded, and counters = rows."""
    total, routed = _appeals(session, action.id)
    deliveries, supporters, digests, rows = _deliveries(session, action.id)
    excluded = _excluded(session, action.id)
    expected = _expected(session, action.id, routed)
    return Status(
        ua=action.key,
        appeals=total,
        unrouted=total - sum(routed.values()),
        deliveries=deliveries,
        excluded=excluded,
        supporters=supporters,
        digests=digests,
        differences=(*_unbalanced(expected, deliveries, excluded), *_miscounted(session, action.id, rows)),
    )


def _appeals(session: Session, action_id: int) -> tuple[int, dict[int, int]]:
    """All appeals, and the routed ones by revision."""
    query = (
        select(Appeal.revision_id, func.count(), func.count(Appeal.routed_at))
        .where(Appeal.action_id == action_id)
        .group_by(Appeal.revision_id)
    )
    rows = session.execute(query).all()
    return sum(row[1] for row in rows), {row[0]: row[2] for row in rows}


def _deliveries(session: Session, action_id: int) -> tuple[Cells, Pairs, Pairs, Tally[tuple[str, ...]]]:
    """Letters by target, channel and state; mail to supporters by kind; digests by target; and all of it as counted."""
    query = (
        select(Delivery.kind, Delivery.recipient_key, Delivery.channel, Delivery.state, func.count())
        .where(Delivery.action_id == action_id)
        .group_by(Delivery.kind, Delivery.recipient_key, Delivery.channel, Delivery.state)
    )
    cells: Cells = {}
    supporters: Pairs = {}
    digests: Pairs = {}
    rows: Tally[tuple[str, ...]] = Tally()
    for kind, key, channel, state, n in session.execute(query):
        rows[kind, key, channel, state] = n
        if kind in SUPPORTER:
            supporters.setdefault(kind, {})[state] = n
        elif kind == RUN:
            digests.setdefault(key, {})[state] = n
        else:
            cells.setdefault(key, {}).setdefault(channel, {})[state] = n
    return cells, supporters, digests, rows


def _excluded(session: Session, action_id: int) -> Cells:
    query = (
        select(Exclusion.recipient_key, Exclusion.channel, Exclusion.reason, func.count())
        .where(Exclusion.action_id == action_id)
        .group_by(Exclusion.recipient_key, Exclusion.channel, Exclusion.reason)
    )
    cells: Cells = {}
    for key, channel, reason, n in session.execute(query):
        cells.setdefault(key, {}).setdefault(channel, {})[reason] = n
    return cells


def _expected(session: Session, action_id: int, routed: Mapping[int, int]) -> Tally[tuple[str, str]]:
    """How many letters each target and channel must have: one for every routed appeal of its revisions.

    Beyond a target's own channels: one on paper for every e-mail that a person replaced by it.
    """
    expected: Tally[tuple[str, str]] = _replaced(session, action_id)
    targets = session.execute(
        select(Target.revision_id, Target.key, Target.channels).where(Target.action_id == action_id)
    )
    for revision_id, key, channels in targets:
        for channel in channels:
            expected[key, channel] += routed.get(revision_id, 0)
    return expected


def _replaced(session: Session, action_id: int) -> Tally[tuple[str, str]]:
    """E-mails beside which there is a letter on paper, to targets that have no paper of their own."""
    paper = aliased(Delivery)
    query = (
        select(Target.key, Target.channels, func.count())
        .select_from(Delivery)
        .join(
            paper,
            (paper.appeal_id == Delivery.appeal_id)
            & (paper.recipient_key == Delivery.recipient_key)
            & (paper.kind == Delivery.kind),
        )
        .join(Target, Target.id == paper.target_id)
        .where(Delivery.action_id == action_id, Delivery.channel == "mail", paper.channel == "print")
        .group_by(Target.id, Target.key)
    )
    found: Tally[tuple[str, str]] = Tally()
    for key, channels, n in session.execute(query):
        if "print" not in channels:
            found[key, "print"] += n
    return found


def _unbalanced(expected: Tally[tuple[str, str]], deliveries: Cells, excluded: Cells) -> list[str]:
    found = {(key, channel) for cells in (deliveries, excluded) for key, by in cells.items() for channel in by}
    differences = []
    for key, channel in sorted(set(expected) | found):
        have = sum(deliveries.get(key, {}).get(channel, {}).values())
        have += sum(excluded.get(key, {}).get(channel, {}).values())
        if have != expected[key, channel]:
            differences.append(f"{key} by {channel}: {expected[key, channel]} signed, {have} accounted for")
    return differences


def _miscounted(session: Session, action_id: int, rows: Tally[tuple[str, ...]]) -> list[str]:
    query = select(Counter.kind, Counter.recipient_key, Counter.channel, Counter.state, Counter.n)
    kept = {tuple(row[:4]): row[4] for row in session.execute(query.where(Counter.action_id == action_id))}
    return [
        f"counter {' '.join(key)}: {kept.get(key, 0)} kept, {rows[key]} rows"
        for key in sorted(set(kept) | set(rows))
        if kept.get(key, 0) != rows[key]
    ]
