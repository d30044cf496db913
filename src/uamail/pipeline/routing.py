"""Routing: one delivery per target and channel, or the reason why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.letters import language
from uamail.models import (
    Action,
    ActionRevision,
    Appeal,
    Exclusion,
    ModelLetter,
    Release,
    Suppression,
    Target,
    appeal,
    delivery,
)
from uamail.models.base import insert_missing
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


def route(session: Session, *, keys: Keyring, now: datetime, actor: str, limit: int = 500) -> int:
    """Route up to `limit` received appeals; returns how many. Called until it returns 0."""
    appeals = (
        session.execute(
            select(Appeal)
            .where(Appeal.routed_at.is_(None), Appeal.state == "received")
            .order_by(Appeal.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )
    plans = {revision_id: _plan(session, revision_id, keys, now) for revision_id in {a.revision_id for a in appeals}}
    rows: list[dict[str, Any]] = []
    exclusions: list[dict[str, Any]] = []
    for one in appeals:
        _route_one(one, plans[one.revision_id], now, rows, exclusions)
    _write(session, rows, exclusions, now=now, actor=actor)
    ids = [one.id for one in appeals]
    session.execute(update(Appeal).where(Appeal.id.in_(ids)).values(routed_at=now))
    appeal.touch(session, [row["appeal_id"] for row in rows if row["state"] != "queued"])
    return len(ids)


def _write(
    session: Session, rows: list[dict[str, Any]], exclusions: list[dict[str, Any]], *, now: datetime, actor: str
) -> None:
    by_action: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_action.setdefault(row["action_id"], []).append(row)
    for some in by_action.values():
        delivery.create(session, some, now=now, actor=actor)
    if exclusions:
        session.execute(insert_missing(session, Exclusion), exclusions)


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


def _route_one(
    one: Appeal, plan: _Plan, now: datetime, rows: list[dict[str, Any]], exclusions: list[dict[str, Any]]
) -> None:
    for target in plan.targets:
        for channel in target.channels:
            if plan.action.mode == "petition":
                # Its signatures go out together, with a petition run.
                exclusions.append(_exclusion(one, target, channel, "petition_run"))
            elif target.kind == "copy" and one.country not in target.copy_for:
                exclusions.append(_exclusion(one, target, channel, "sender_country"))
            else:
                rows.append(_delivery(one, target, channel, plan, now))


def _exclusion(one: Appeal, target: Target, channel: str, reason: str) -> dict[str, Any]:
    return {
        "action_id": one.action_id,
        "appeal_id": one.id,
        "recipient_key": target.key,
        "channel": channel,
        "reason": reason,
    }


def _delivery(one: Appeal, target: Target, channel: str, plan: _Plan, now: datetime) -> dict[str, Any]:
    tag = _language(one, plan)
    state, reason = _state(one, target, channel, plan, tag=tag, now=now)
    return {
        "kind": "copy" if target.kind == "copy" else "appeal",
        "action_id": one.action_id,
        "revision_id": one.revision_id,
        "office_id": one.office_id,
        "appeal_id": one.id,
        "target_id": target.id,
        "recipient_key": target.key,
        "channel": channel,
        "occasion": "",
        "language": tag or one.language,
        "state": state,
        "reason": reason,
        "not_after": plan.revision.deadline_at,
        "lane_id": target.lane_id if channel == "mail" else None,
        "address_id": target.address_id if channel == "print" else None,
        "release_id": plan.standing.get(channel),
    }


def _language(one: Appeal, plan: _Plan) -> str | None:
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
    one: Appeal, target: Target, channel: str, plan: _Plan, *, tag: str | None, now: datetime
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
        (channel == "fax", "operator"),
    )
    for applies, reason in reasons:
        if applies:
            return "held", reason
    if channel == "mail" and target.id in plan.suppressed:
        return "suppressed", "suppressed"
    return "queued", None
