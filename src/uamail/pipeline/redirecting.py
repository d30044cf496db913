"""Redirecting: what is unsent to a target's old address goes to the one that the newest revision gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from uamail.errors import RuleRefused
from uamail.event import Event, Fact
from uamail.models import Action, Batch, Delivery, Suppression, Target, audit, delivery
from uamail.models.appeal import LEVELS
from uamail.models.delivery import LEAVING, LETTERS, SINGLE
from uamail.pipeline.unbatching import unbatch
from uamail.vault import Keyring

CHANNELS = ("mail", "print")
# What a new address frees; any other reason to hold a letter stands, wherever it goes.
FREED = ("revised", "bounced", "no_address")
# The old address gave these back: they have not arrived, and may go to the new one when a person says so.
FAILED = ("refused", "bounced")
_UNSENT = ("queued", "held", "suppressed")
_SOME = 1000


@dataclass(frozen=True, kw_only=True)
class Redirection:
    """A target whose address has changed: its newest form, the older forms with another address, and what is where.

    `open` counts what would be redirected by state ("held:revised" with its reason), `gone` what the old address was
    used for or is being used for.
    """

    target: Target
    old: Sequence[Target]
    channel: str
    open: Mapping[str, int]
    gone: Mapping[str, int]

    @property
    def letters(self) -> int:
        return sum(self.open.values())


def look(session: Session, target: Target, *, channel: str, failed: bool) -> Redirection:
    """What redirecting to `target` (of the newest revision) would do; `failed`: also with what came back."""
    same = select(Target).where(Target.action_id == target.action_id, Target.key == target.key, Target.id != target.id)
    changed = Target.email.is_distinct_from(target.email)
    if channel == "print":
        changed = Target.address_id.is_distinct_from(target.address_id)
    old = session.execute(same.where(changed).order_by(Target.id)).scalars().all()
    open_, gone = _counts(session, [one.id for one in old], channel, failed=failed)
    return Redirection(target=target, old=old, channel=channel, open=open_, gone=gone)


def _counts(
    session: Session, old: Sequence[int], channel: str, *, failed: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """Letters by state: those that can still be redirected, and the others. A digest counts as what it lists."""
    carrier = aliased(Delivery)
    by = (Delivery.state, Delivery.reason, func.coalesce(Batch.state, carrier.state))
    query = (
        select(*by, func.count())
        .outerjoin(Batch, Batch.id == Delivery.batch_id)
        .outerjoin(carrier, carrier.id == Delivery.carrier_id)
        .where(Delivery.target_id.in_(old), Delivery.channel == channel, Delivery.kind.in_(SINGLE))
        .group_by(*by)
    )
    open_: dict[str, int] = {}
    gone: dict[str, int] = {}
    for state, reason, around, n in session.execute(query):
        movable = state in (*_UNSENT, *(FAILED if failed else ()))
        # In a batch that nobody has sealed, in a digest that nobody has in hand.
        movable = movable or (state == "batched" and around in ("open", "queued"))
        word = f"{state}:{reason}" if state == "held" else state
        chosen = open_ if movable else gone
        chosen[word] = chosen.get(word, 0) + n
    return open_, gone


def check(session: Session, found: Redirection, *, keys: Keyring) -> None:
    """Raises RuleRefused where the new form of the target is no mere new address of the same addressee."""
    new, key = found.target, found.target.key
    if (new.email if found.channel == "mail" else new.address_id) is None:
        raise RuleRefused(f"{key} has no address for {found.channel} in the newest revision")
    for one in found.old:
        if (one.name, one.salutation) != (new.name, new.salutation):
            raise RuleRefused(f"{key} is called otherwise in the newest revision: who signed wrote to somebody else")
        if LEVELS.index(new.disclosure_cap) > LEVELS.index(one.disclosure_cap) or new.reply_allowed > one.reply_allowed:
            raise RuleRefused(f"the newest revision shows {key} more of people than they were told when they signed")
    if found.channel == "mail" and _suppressed(session, new, keys):
        raise RuleRefused(f"the new address of {key} is on the suppression list; uamail suppression list")


def _suppressed(session: Session, target: Target, keys: Keyring) -> bool:
    lookup = keys.lookup("suppression", target.email or "")
    mine = (Suppression.channel == "mail", Suppression.lookup == lookup, Suppression.lifted_at.is_(None))
    return session.execute(select(Suppression.id).where(*mine)).first() is not None


def redirect(session: Session, found: Redirection, *, failed: bool, now: datetime, actor: str) -> int:
    """Move everything that is unsent; what the old address held up is queued. Returns how many letters moved.

    All of it loses its release: nothing goes to an address that nobody has seen in a preview.
    """
    when: dict[str, Any] = {"now": now, "actor": actor}
    mine = _of([one.id for one in found.old], found.channel)
    if found.channel == "print":
        gathered = mine.join(Batch, Batch.id == Delivery.batch_id).where(Delivery.state == "batched")
        unbatch(session, gathered.where(Batch.state == "open"), to="queued", reason=None, **when)
    states = (*_UNSENT, *(FAILED if failed else ()))
    chosen = _locked(session, mine.where(Delivery.state.in_(states)))
    listed = _readdressed(session, chosen, found.target, found.old, now=now)
    if listed:
        facts: dict[str, Fact] = {
            **{"action": found.target.action_id, "target": found.target.id, "channel": found.channel},
            **{f"old_{state}": found.gone.get(state, 0) for state in ("accepted", "uncertain", "posted")},
        }
        audit.record_set(session, Event("delivery:redirected", now, actor, facts), "delivery", listed)
    moved = _still(session, listed, Delivery.kind.in_(SINGLE))
    for state in ("held", "suppressed", *(FAILED if failed else ())):
        freed = and_(Delivery.state == state, or_(state != "held", Delivery.reason.in_(FREED)))
        delivery.move(session, _still(session, chosen, freed), from_=state, to="queued", due_at=now, **when)
    return len(moved)


def undo(session: Session, action: Action, key: str, *, channel: str, now: datetime, actor: str) -> int:
    """Give what is still unsent its old address back, and hold it as before. Returns how many letters moved."""
    when: dict[str, Any] = {"now": now, "actor": actor}
    own = select(Target).where(Target.action_id == action.id, Target.key == key).order_by(Target.id)
    forms = session.execute(own).scalars().all()
    done: list[int] = []
    held: list[int] = []
    for form in forms:
        others = [one for one in forms if one.id != form.id]
        mine = _of([one.id for one in others], channel).where(Delivery.revision_id == form.revision_id)
        if channel == "print":
            gathered = mine.join(Batch, Batch.id == Delivery.batch_id).where(Delivery.state == "batched")
            unbatch(session, gathered.where(Batch.state == "open"), to="queued", reason=None, **when)
        chosen = _locked(session, mine.where(Delivery.state.in_(_UNSENT)))
        done += _readdressed(session, chosen, form, others, now=now)
        held += _still(session, chosen, Delivery.state == "queued")
    if done:
        facts: dict[str, Fact] = {"action": action.id, "channel": channel, "undone": True}
        audit.record_set(session, Event("delivery:redirected", now, actor, facts), "delivery", done)
    reason = {"reason": "revised"}
    delivery.move(session, held, from_="queued", to="held", facts=reason, reason="revised", **when)
    return len(_still(session, done, Delivery.kind.in_(SINGLE)))


def _of(targets: Sequence[int], channel: str) -> Select[Any]:
    """Letters and digests to these; what a digest lists comes with it."""
    mine = (Delivery.target_id.in_(targets), Delivery.channel == channel, Delivery.kind.in_(LETTERS))
    return select(Delivery.id).where(*mine, Delivery.carrier_id.is_(None))


def _locked(session: Session, query: Select[Any]) -> list[int]:
    """Locked first: a claim under way ends before, or finds them changed."""
    return list(session.execute(query.order_by(Delivery.id).with_for_update(of=Delivery)).scalars())


def _still(session: Session, ids: Sequence[int], chosen: ColumnElement[bool]) -> list[int]:
    found: list[int] = []
    for start in range(0, len(ids), _SOME):
        query = select(Delivery.id).where(Delivery.id.in_(ids[start : start + _SOME]), chosen)
        found += session.execute(query).scalars()
    return found


def _readdressed(
    session: Session, ids: Sequence[int], new: Target, old: Sequence[Target], *, now: datetime
) -> list[int]:
    """Give letters the address and lane of `new`, digests with all that they list; returns the ids of all of them."""
    digests = [one.id for one in old if one.mail == "digest"]
    waiting = and_(Delivery.lane_id.is_(None), Delivery.kind.in_(SINGLE), Delivery.target_id.in_(digests))
    moved: list[int] = []
    for start in range(0, len(ids), _SOME):
        some = ids[start : start + _SOME]
        same = {"target_id": new.id, "release_id": None, "due_at": now}
        mail = (Delivery.id.in_(some), Delivery.channel == "mail")
        moved += _set(session, (*mail, waiting), same | {"lane_id": None if new.mail == "digest" else new.lane_id})
        moved += _set(session, (*mail, Delivery.target_id != new.id), same | {"lane_id": new.lane_id})
        printed = (Delivery.id.in_(some), Delivery.channel == "print")
        moved += _set(session, printed, same | {"address_id": new.address_id})
        listed = (Delivery.carrier_id.in_(some), Delivery.state.not_in(LEAVING))
        moved += _set(session, listed, {"target_id": new.id})
    return sorted(set(moved))


def _set(session: Session, chosen: Sequence[ColumnElement[bool]], values: Mapping[str, Any]) -> list[int]:
    statement = update(Delivery).where(*chosen).values(**values).returning(Delivery.id)
    return list(session.execute(statement.execution_options(synchronize_session=False)).scalars())
