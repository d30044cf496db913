"""Routing: one delivery per target and channel, or the reason why there is none."""

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.letters import language
from uamail.models import (
    Action,
    ActionRevision,
    Appeal,
    ModelLetter,
    Release,
    Suppression,
    Target,
    expansion,
)
from uamail.models.expansion import Combination, Group
from uamail.vault import Keyring


@dataclass(frozen=True)
class _Plan:
    """What every appeal of one revision needs to know."""

    action: Action
    revision: ActionRevision
    targets: Sequence[Target]
    reviews: Mapping[str, str]
    current: bool
    suppressed: frozenset[int]
    standing: Mapping[str, int]


def route(session: Session, *, keys: Keyring, now: datetime, actor: str, most: int = 30_000) -> int:
    """Route received appeals, as many as make about `most` deliveries; returns how many. Called until it returns 0."""
    wanted = _wanted(session, most)
    counts = expansion.claim(session, wanted) if wanted else {}
    if not counts:
        return 0
    revisions = {one.revision_id for _, one in counts}
    plans = {revision_id: _plan(session, revision_id, keys, now) for revision_id in revisions}
    planned = {one: _rows(one, plans[one.revision_id], now) for _, one in counts}
    rows = [row for some in planned.values() for row in some]
    expansion.prepare(session, rows)
    for action_id, expected in sorted(_expected(counts, planned).items()):
        expansion.deliver(session, action_id, expected, now=now, actor=actor)
    if any(row["excluded"] for row in rows):
        expansion.exclude(session)
    expansion.finish(session, still=any(row["state"] != "queued" for row in rows), now=now)
    return sum(counts.values())


def _expected(
    counts: Mapping[tuple[int, Combination], int], planned: Mapping[Combination, Sequence[Mapping[str, Any]]]
) -> dict[int, Tally[Group]]:
    """How many deliveries the plan makes, by action and group."""
    found: dict[int, Tally[Group]] = defaultdict(Tally)
    for (action_id, one), n in counts.items():
        for row in planned[one]:
            if row["excluded"] is None:
                found[action_id][Group(row["kind"], row["recipient_key"], row["channel"], row["state"])] += n
    return found


def _wanted(session: Session, most: int) -> int:
    """How many appeals make `most` deliveries, if all are like the oldest: so a transaction stays short."""
    oldest = session.execute(
        select(Appeal.revision_id)
        .where(Appeal.routed_at.is_(None), Appeal.state == "received")
        .order_by(Appeal.id)
        .limit(1)
    ).scalar_one_or_none()
    if oldest is None:
        return 0
    channels = session.execute(select(Target.channels).where(Target.revision_id == oldest)).scalars()
    return max(1, most // max(1, sum(map(len, channels))))


def _plan(session: Session, revision_id: int, keys: Keyring, now: datetime) -> _Plan:
    revision = session.get_one(ActionRevision, revision_id)
    action = session.get_one(Action, revision.action_id)
    targets = (
        session.execute(select(Target).where(Target.revision_id == revision_id).order_by(Target.position))
        .scalars()
        .all()
    )
    letters = session.execute(
        select(ModelLetter.language, ModelLetter.review).where(ModelLetter.revision_id == revision_id)
    )
    newest = session.execute(
        select(ActionRevision.id)
        .where(ActionRevision.action_id == action.id)
        .order_by(ActionRevision.number.desc())
        .limit(1)
    ).scalar_one()
    standing = session.execute(
        select(Release.channel, Release.id).where(
            Release.action_id == action.id,
            Release.revision_id == revision_id,
            Release.state == "approved",
            Release.standing_until > now,
        )
    )
    return _Plan(
        action=action,
        revision=revision,
        targets=targets,
        reviews={tag: review for tag, review in letters},
        current=newest == revision_id,
        suppressed=_suppressed(session, targets, keys),
        standing={channel: id for channel, id in standing},
    )


def _suppressed(session: Session, targets: Sequence[Target], keys: Keyring) -> frozenset[int]:
    lookups = {keys.lookup("suppression", target.email): target.id for target in targets if target.email}
    found = session.execute(
        select(Suppression.lookup).where(
            Suppression.channel == "mail", Suppression.lookup.in_(list(lookups)), Suppression.lifted_at.is_(None)
        )
    ).scalars()
    return frozenset(lookups[lookup] for lookup in found)


def _rows(one: Combination, plan: _Plan, now: datetime) -> list[dict[str, Any]]:
    """The deliveries and exclusions of every appeal that is like `one`."""
    key, tag = asdict(one), _language(one, plan)
    pairs = [(target, channel) for target in plan.targets for channel in target.channels]
    return [
        {**key, "position": position, **_row(one, target, channel, plan, tag=tag, now=now)}
        for position, (target, channel) in enumerate(pairs)
    ]


def _row(
    one: Combination, target: Target, channel: str, plan: _Plan, *, tag: str | None, now: datetime
) -> dict[str, Any]:
    state, reason = _state(one, target, channel, plan, tag=tag, now=now)
    return {
        "kind": "copy" if target.kind == "copy" else "appeal",
        "target_id": target.id,
        "recipient_key": target.key,
        "channel": channel,
        "written": tag or one.language,
        "state": state,
        "reason": reason,
        "not_after": plan.revision.deadline_at,
        "lane_id": _lane(one, target, channel),
        "address_id": target.address_id if channel == "print" else None,
        "release_id": plan.standing.get(channel),
        "excluded": _excluded(one, target, plan),
    }


def _listed(one: Combination, target: Target) -> bool:
    return target.mail == "digest" and one.origin == "model"


def _lane(one: Combination, target: Target, channel: str) -> int | None:
    if channel == "mail":
        # In no lane: it waits until the day is over and a digest lists it. Own words are a letter of their own.
        return None if _listed(one, target) else target.lane_id
    return target.fax_lane_id if channel == "fax" else None


def _excluded(one: Combination, target: Target, plan: _Plan) -> str | None:
    """Why there is no delivery at all."""
    if plan.action.mode == "petition":
        # Its signatures go out together, with a petition run.
        return "petition_run"
    return "sender_country" if target.kind == "copy" and one.country not in target.copy_for else None


def _language(one: Combination, plan: _Plan) -> str | None:
    content = plan.revision.content
    try:
        tag = language.choose(
            wanted=one.language,
            preferred=content["languages"],
            available=list(plan.reviews),
            own_words=one.origin == "own",
            own_language=content["own_language"],
        )
        # Own words stay in the language they were written in; where it is not welcome, a person decides.
        return tag if one.origin == "model" or language.match(one.language, [tag]) else None
    except RuleRefused:
        return None


def _state(
    one: Combination, target: Target, channel: str, plan: _Plan, *, tag: str | None, now: datetime
) -> tuple[str, str | None]:
    """The first state of a delivery and, when it waits, why; the gravest reason counts."""
    late = plan.revision.deadline_at is not None and now >= plan.revision.deadline_at
    reasons = (
        (not one.consent, "consent"),
        (plan.action.closed_on is not None, "closed"),
        (late, "deadline"),
        (not plan.current, "revised"),
        (tag is None, "language"),
        (one.origin == "model" and plan.reviews.get(tag or "") != "approved", "review"),
        (channel == "print" and target.address_id is None, "no_address"),
        (channel == "mail" and target.email is None, "no_address"),
        (channel == "fax" and target.fax_lane_id is None, "no_address"),
    )
    for applies, reason in reasons:
        if applies:
            return "held", reason
    if channel == "mail" and target.id in plan.suppressed:
        return "suppressed", "suppressed"
    return "queued", None
