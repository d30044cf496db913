"""Sendable: what may be sent now, as conditions over rows; one rule for those who send and those who ask why not."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, or_, select
from sqlalchemy.orm import aliased

from uamail.models.action import Action, Target
from uamail.models.appeal import Appeal
from uamail.models.delivery import RUN, SUPPORTER, Delivery
from uamail.models.lane import Lane
from uamail.models.office import Office
from uamail.models.release import Hold, Release

ACTION_KEY = Action.ua + "-" + cast(Action.ordinal, String)


def free(*, rehearsal: bool, now: datetime) -> list[ColumnElement[bool]]:
    """A letter may go: before its deadline, still wanted, under no one's hold, released (or a rehearsal)."""
    to_supporter = Delivery.kind.in_(SUPPORTER)
    conditions = [
        or_(Delivery.not_after.is_(None), Delivery.not_after > now),
        or_(to_supporter, ~unwanted()),
        ~held(),
    ]
    if not rehearsal:
        released = select(Release.id).where(Release.id == Delivery.release_id, Release.state == "approved")
        conditions.append(or_(to_supporter, released.exists()))
    return conditions


def unwanted() -> ColumnElement[bool]:
    """Its action was closed or its appeal withdrawn, while it was in a worker's hands perhaps."""
    closed = select(Action.id).where(Action.id == Delivery.action_id, Action.closed_on.is_not(None))
    withdrawn = select(Appeal.id).where(Appeal.id == Delivery.appeal_id, Appeal.state != "received")
    return or_(closed.exists(), withdrawn.exists())


def lists_withdrawn() -> ColumnElement[bool]:
    """It lists somebody who took the appeal back while it was in a worker's hands."""
    listed = aliased(Delivery)
    mine = (listed.carrier_id == Delivery.id, listed.state == "batched", Appeal.state != "received")
    query = select(listed.id).join(Appeal, Appeal.id == listed.appeal_id).where(*mine).correlate(Delivery)
    return and_(Delivery.kind == RUN, query.exists())


def held() -> ColumnElement[bool]:
    """Under a kill switch for its action, its target or its office."""
    # Correlated by name: two levels down, the inner queries would otherwise look at any delivery of the table.
    action = select(ACTION_KEY).where(Action.id == Delivery.action_id).correlate(Delivery).scalar_subquery()
    target = select(Target.key).where(Target.id == Delivery.target_id).correlate(Delivery).scalar_subquery()
    office = select(Office.country).where(Office.id == Delivery.office_id).correlate(Delivery).scalar_subquery()
    scopes = or_(
        and_(Hold.scope == "action", Hold.key == action),
        and_(Hold.scope == "target", Hold.key == action + "/" + target),
        and_(Hold.scope == "office", Hold.key == office),
    )
    return select(Hold.id).where(Hold.lifted_at.is_(None), scopes).correlate(Delivery).exists()


def lane_stopped(relay: Any = None) -> ColumnElement[bool]:
    """A kill switch over everything, the lane's domain, mailbox or number, all faxes, or the relay that is given."""
    scopes = [
        Hold.scope == "all",
        and_(Hold.scope == "domain", Hold.key == Lane.domain),
        and_(Hold.scope == "mailbox", "mailbox:" + Hold.key == Lane.key),
        and_(Hold.scope == "number", "fax:" + Hold.key == Lane.key),
        and_(Hold.scope == "fax", Lane.kind == "fax"),
    ]
    if relay is not None:
        scopes.append(and_(Hold.scope == "relay", Hold.key == relay))
    return select(Hold.id).where(Hold.lifted_at.is_(None), or_(*scopes)).correlate(Lane).exists()
