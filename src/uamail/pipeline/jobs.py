"""The desk for jobs: everything about one batch, read in one transaction, so that no layout needs a session."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.models import Action, ActionRevision, Address, AddressLines, Batch, Delivery, Office, audit
from uamail.pipeline.folder import Job
from uamail.pipeline.writing import briefs, in_language
from uamail.printing import profile


def job(session: Session, one: Batch, ids: Sequence[int], *, label_sheet: str = "", now: datetime) -> Job:
    """A batch with the letters `ids`; `label_sheet` is only needed by who makes labels."""
    action = session.get_one(Action, one.action_id)
    revision = _revision(session, one)
    office = session.get_one(Office, one.office_id)
    address = session.get_one(Address, one.address_id)
    lines = session.execute(select(AddressLines).where(AddressLines.address_id == address.id)).scalars()
    deadline = revision.content.get("deadline") or {}
    return Job(
        batch_id=one.id,
        attempt=one.attempts,
        fence=one.fence,
        name=one.name,
        mode=one.mode,
        profile=profile.load(one.profile).calibrated(one.dx, one.dy),
        ua=action.key,
        index=revision.index_number,
        revision=revision.number,
        deadline=in_language(deadline["wording"], "en") if deadline.get("wording") else None,
        deadline_on=date.fromisoformat(deadline["date"]) if deadline else None,
        day=now,
        office={"name": office.name, "country": office.country, "address": office.return_address, "zone": office.zone},
        country=address.country,
        scripts={row.script: row.lines for row in lines},
        briefs=tuple(briefs(session, list(ids))),
        checkpoint=session.execute(
            select(audit.AuditCheckpoint.note).order_by(audit.AuditCheckpoint.size.desc()).limit(1)
        ).scalar_one_or_none(),
        label_sheet=label_sheet,
    )


def _revision(session: Session, one: Batch) -> ActionRevision:
    """The newest revision of a batch's letters; of its action when all of them were taken out."""
    newest = select(ActionRevision).order_by(ActionRevision.number.desc()).limit(1)
    mine = newest.join(Delivery, Delivery.revision_id == ActionRevision.id).where(Delivery.batch_id == one.id)
    found = session.execute(mine).scalar_one_or_none()
    return found or session.execute(newest.where(ActionRevision.action_id == one.action_id)).scalar_one()
