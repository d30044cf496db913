"""Digests: the mails that list the signers of a day, and what waits for the next one."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.models import Action, Delivery, Office, PetitionRun, Target
from uamail.models.delivery import GATHERING, LEAVING
from uamail.pacing import next_day


def digests(session: Session, action: Action) -> list[dict[str, Any]]:
    """Every digest of an action, oldest first: `closed_with` signers, of whom `signers` are still in it."""
    query = (
        select(Delivery, PetitionRun, Office.country)
        .join(PetitionRun, PetitionRun.id == Delivery.run_id)
        .join(Office, Office.id == PetitionRun.office_id)
        .where(Delivery.run_id.is_not(None), Delivery.action_id == action.id)
        .order_by(Delivery.id)
    )
    rows = session.execute(query).all()
    listed = _listed(session, action)
    return [
        {
            "id": row.Delivery.id,
            "target": row.Delivery.recipient_key,
            "office": row.country,
            "day": row.PetitionRun.day.isoformat(),
            "part": row.PetitionRun.part,
            "closed_at": row.PetitionRun.frozen_at.isoformat(),
            "closed_with": row.PetitionRun.signatures,
            "signers": listed.get(row.Delivery.id, 0),
            "state": row.Delivery.state,
            "reason": row.Delivery.reason,
        }
        for row in rows
    ]


def _listed(session: Session, action: Action) -> dict[int, int]:
    query = select(Delivery.carrier_id, func.count()).where(
        Delivery.carrier_id.is_not(None), Delivery.action_id == action.id, Delivery.state.not_in(LEAVING)
    )
    return {carrier: n for carrier, n in session.execute(query.group_by(Delivery.carrier_id)) if carrier is not None}


def waiting(session: Session, action: Action, now: datetime) -> list[dict[str, Any]]:
    """Letters that wait for the end of a target's day, by target, and when that is; whether they may go or not."""
    query = (
        select(Target.key, Target.zone, func.count(Delivery.id))
        .join(Delivery, Delivery.target_id == Target.id)
        .where(GATHERING, Target.action_id == action.id)
        .group_by(Target.key, Target.zone)
        .order_by(Target.key)
    )
    return [
        {"target": key, "letters": n, "closes_at": next_day(now, zone).isoformat()}
        for key, zone, n in session.execute(query)
    ]
