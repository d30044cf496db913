"""Publishing: an action file becomes a revision with its letters, targets, addresses and offices."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.actions.values import ActionFile
from uamail.actions.values import Address as AddressValue
from uamail.actions.values import Office as OfficeValue
from uamail.actions.values import Target as TargetValue
from uamail.errors import RuleRefused
from uamail.event import Event, Fact, canonical_json
from uamail.models import Action, ActionRevision, Address, AddressLines, ModelLetter, Office, Target, audit
from uamail.models.lane import fax_lane, lane_for


@dataclass(frozen=True)
class Published:
    """What publishing did; `new` is False when the very same text stands already."""

    action_id: int
    revision_id: int
    number: int
    new: bool


def publish(
    session: Session, file: ActionFile, *, content: Mapping[str, Any], sha256: str, now: datetime, actor: str
) -> Published:
    """Add a revision. Raises RuleRefused when the mode of a published action would change."""
    action = _action(session, file, now)
    same = _revision(session, action.id, sha256)
    if same is not None:
        return Published(action.id, same.id, same.number, new=False)
    last = session.execute(
        select(func.max(ActionRevision.number)).where(ActionRevision.action_id == action.id)
    ).scalar_one()
    revision = ActionRevision(
        action_id=action.id,
        number=(last or 0) + 1,
        sha256=sha256,
        index_number=file.index,
        country=file.country,
        issued=file.issued,
        deadline_at=file.deadline.instant if file.deadline else None,
        content=dict(content),
        added_at=now,
        added_by=actor,
    )
    session.add(revision)
    session.flush()
    _close(action, file, actor)
    _add_offices(session, file.offices)
    addresses = {value.id: _address(session, action.id, value, now) for value in file.addresses}
    for position, target in enumerate(file.targets):
        _add_target(session, revision, target, position=position, address_id=addresses.get(target.address or ""))
    _add_letters(session, revision.id, file)
    facts: dict[str, Fact] = {"action": action.id, "revision": revision.id, "number": revision.number, "sha256": sha256}
    audit.record(session, Event("action:published", now, actor, facts))
    return Published(action.id, revision.id, revision.number, new=True)


def _action(session: Session, file: ActionFile, now: datetime) -> Action:
    found = session.execute(
        select(Action).where(Action.ua == file.ua, Action.ordinal == file.ordinal)
    ).scalar_one_or_none()
    if found is None:
        found = Action(ua=file.ua, ordinal=file.ordinal, mode=file.mode, created_at=now)
        session.add(found)
        session.flush()
    if found.mode != file.mode:
        raise RuleRefused(f"action {found.key} is {found.mode}: a change to {file.mode} needs a new ordinal")
    return found


def _close(action: Action, file: ActionFile, actor: str) -> None:
    if file.status == "closed":
        action.closed_on, action.closed_reason, action.closed_by = file.closed_on, file.closed_reason, actor


def _revision(session: Session, action_id: int, sha256: str) -> ActionRevision | None:
    return session.execute(
        select(ActionRevision).where(ActionRevision.action_id == action_id, ActionRevision.sha256 == sha256)
    ).scalar_one_or_none()


def _add_offices(session: Session, offices: tuple[OfficeValue, ...]) -> None:
    """The first office ever published is the default: it sends for countries without one."""
    known = {office.country: office for office in session.execute(select(Office)).scalars()}
    for value in offices:
        office = known.get(value.country)
        if office is None:
            office = Office(country=value.country, is_default=not known)
            known[value.country] = office
            session.add(office)
        office.name, office.return_address, office.reply_to = value.name, list(value.address), value.reply_to
        office.zone, office.languages = value.zone, list(value.languages)


def _address(session: Session, action_id: int, value: AddressValue, now: datetime) -> int:
    """The id of this address: the last version while its lines are unchanged, else a new version."""
    lines = {script: list(text) for script, text in value.lines.items()}
    plain = {"country": value.country, "postcode": value.postcode, "lines": lines}
    sha256 = hashlib.sha256(canonical_json(plain)).hexdigest()
    last = session.execute(
        select(Address)
        .where(Address.action_id == action_id, Address.key == value.id)
        .order_by(Address.version.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is not None and last.sha256 == sha256:
        return last.id
    address = Address(
        action_id=action_id,
        key=value.id,
        version=last.version + 1 if last else 1,
        country=value.country,
        postcode=value.postcode,
        sha256=sha256,
        created_at=now,
    )
    session.add(address)
    session.flush()
    session.add_all(AddressLines(address_id=address.id, script=script, lines=text) for script, text in lines.items())
    return address.id


def _add_target(
    session: Session, revision: ActionRevision, value: TargetValue, *, position: int, address_id: int | None
) -> None:
    email = value.email[0] if value.email else None
    session.add(
        Target(
            action_id=revision.action_id,
            revision_id=revision.id,
            key=value.id,
            kind=value.kind,
            position=position,
            address_id=address_id,
            email=email,
            lane_id=lane_for(session, "mailbox", email) if email else None,
            fax=value.fax,
            fax_lane_id=fax_lane(session, value.fax) if value.fax else None,
            zone=value.zone,
            disclosure_cap=value.disclosure,
            reply_allowed=value.reply,
            channels=list(value.channels),
            mail=value.mail,
            copy_for=list(value.copy_for),
            joint=value.joint,
            name=dict(value.name),
            role=dict(value.role),
            salutation=dict(value.salutation),
        )
    )


def _add_letters(session: Session, revision_id: int, file: ActionFile) -> None:
    for letter in file.letters:
        words = {
            "subject": letter.subject,
            "paragraphs": list(letter.paragraphs),
            "demands": list(letter.demands),
            "closing": letter.closing,
        }
        session.add(
            ModelLetter(
                revision_id=revision_id,
                language=letter.language,
                review=letter.review,
                sha256=hashlib.sha256(canonical_json(words)).hexdigest(),
                **words,
            )
        )
