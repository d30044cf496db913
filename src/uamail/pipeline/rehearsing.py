"""Rehearsing: the first letters of every kind to one tester; no delivery, limit or target is touched by it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.event import Event, Fact
from uamail.mail.address import Mailbox
from uamail.models import Action, Delivery, Hold, Target, audit
from uamail.models.delivery import LETTERS

# What has not gone yet, whether it may go today or not: looking at it is what a rehearsal is for.
_SHOWN = ("queued", "held")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The deliveries a rehearsal makes mails of: letters to targets and embassies, and mails to supporters."""

    letters: tuple[int, ...]
    notices: tuple[int, ...]


def choose(session: Session, action: Action, *, most: int) -> Parts:
    """The oldest `most` unsent mails of an action to each target (and to supporters, by occasion) in each language."""
    place = func.row_number().over(
        partition_by=(Delivery.kind, Delivery.recipient_key, Delivery.occasion, Delivery.language),
        order_by=Delivery.id,
    )
    mine = (Delivery.action_id == action.id, Delivery.channel == "mail", Delivery.state.in_(_SHOWN))
    # What a digest lists is shown in it.
    single = Delivery.carrier_id.is_(None)
    # Who did not agree to have a letter sent has not agreed to have it sent to a tester either.
    agreed = func.coalesce(Delivery.reason, "") != "consent"
    ranked = select(Delivery.id, Delivery.kind, place.label("place")).where(*mine, single, agreed).subquery()
    rows = session.execute(select(ranked.c.id, ranked.c.kind).where(ranked.c.place <= most).order_by(ranked.c.id)).all()
    return Parts(
        letters=tuple(row.id for row in rows if row.kind in LETTERS),
        notices=tuple(row.id for row in rows if row.kind not in LETTERS),
    )


def check(session: Session, tester: Mailbox, *, relay: str, never_send: bool) -> None:
    """Raises RuleRefused when nothing may leave, or when the tester's address is one that letters are written to."""
    if never_send:
        raise RuleRefused("mail.never_send is on: nothing leaves by e-mail, no rehearsal either")
    if tester.addr.lower() in _written_to(session):
        raise RuleRefused("a rehearsal goes to a tester: that is the address of a target")
    scopes = (("all", ""), ("relay", relay), ("domain", tester.domain), ("mailbox", tester.addr.lower()))
    wide = or_(*(and_(Hold.scope == scope, Hold.key == name) for scope, name in scopes))
    found = session.execute(select(Hold.scope, Hold.key).where(Hold.lifted_at.is_(None), wide).limit(1)).first()
    if found is not None:
        raise RuleRefused(f"stopped: {found.scope} {found.key}".rstrip() + "; uamail start lifts it")


def _written_to(session: Session) -> set[str]:
    """The addresses of all targets there have ever been, in lower case."""
    return {email.lower() for email in session.execute(select(Target.email).distinct()).scalars() if email}


def record(session: Session, action: Action, *, sent: int, failed: int, relay: str, now: datetime, actor: str) -> None:
    """Put a rehearsal on record: how much went out, not to whom."""
    facts: dict[str, Fact] = {"action": action.id, "relay": relay, "sent": sent, "failed": failed}
    audit.record(session, Event("rehearsal:sent", now, actor, facts))
