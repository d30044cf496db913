"""Forecast: when each target will be done at today's pace, how late that is, and what can be done about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from uamail.models import Action, ActionRevision, Address, Delivery, Lane, Limit, Office, Target
from uamail.models.delivery import GATHERING, ROLL_MOST, SINGLE
from uamail.models.lane import limits_of
from uamail.pacing import NEVER, Load, Rates, finishes, needed_per_day, next_day, raised, through
from uamail.printing.transit import Table
from uamail.queries.finding import revision

_WAITS = or_(
    Delivery.state.in_(("queued", "claimed")),
    and_(Delivery.state == "held", Delivery.reason.in_(("deadline", "no_fax"))),
)
# Letters on paper that nobody has brought to the post.
_UNPOSTED = ("queued", "held", "batched")
NO_WAY = "no way for faxes (fax.way)"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A way out of being late: `letters` go another way or at another pace, and then all is done at `finishes_at`.

    `what` is raise, digest, roll, print or fax; None for a time means that none can be told.
    """

    what: str
    words: str
    letters: int
    finishes_at: datetime | None

    def plain(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "words": self.words,
            "letters": self.letters,
            "finishes_on": _date(self.finishes_at),
        }


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One target and channel: how many wait, what its limits allow a day, when it is done, how late that is.

    None for `finishes_at` of mail and fax, and for `late_days`: never, because a cap is used up or a window stays shut.
    """

    target: str
    channel: str
    pending: int
    per_day: int | None = None
    finishes_at: datetime | None = None
    late_days: float | None = 0.0
    decided_by: str | None = None
    choices: tuple[Choice, ...] = ()
    # How many of `pending` wait for a digest, which counts as one mail a day, and when the next one closes.
    listed: int = 0
    closes_at: datetime | None = None
    post_by: date | None = None
    """The last day for the post, where letters on paper wait and the action has a deadline."""

    def plain(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "channel": self.channel,
            "pending": self.pending,
            "allowed_per_day": self.per_day,
            "finishes_on": _date(self.finishes_at),
            "late_by_days": None if self.late_days is None else round(self.late_days, 2),
            "decided_by": self.decided_by,
            "post_by": self.post_by.isoformat() if self.post_by else None,
            "choices": [one.plain() for one in self.choices],
            "in_digest": self.listed,
            "digest_closes_at": _date(self.closes_at),
        }


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A target that is written to by mail or fax, the limits over it, and until when all should be through.

    `pending` mails or faxes carry `letters`; `listed` of these wait for the end of the target's day, to go in one.
    """

    target: Target
    channel: str
    letters: int
    pending: int
    listed: int
    loads: Sequence[Load]
    deadline: datetime | None
    now: datetime


def forecast(
    session: Session,
    action: Action,
    *,
    rates: Rates,
    relay: str,
    fax: str | None = None,
    ways: Table | None = None,
    now: datetime,
) -> list[Forecast]:
    """One row for each target and channel of the newest revision.

    Print has no pace: it goes with the next batch, and by `ways` it must be in the post some days before the deadline.
    `fax` is the relay or spool that faxes go through; None: there is no way for them.
    """
    newest = revision(session, action.id)
    targets = session.execute(select(Target).where(Target.revision_id == newest.id).order_by(Target.position)).scalars()
    rows = []
    for target in targets:
        for channel in target.channels:
            pending = _pending(session, action.id, target.key, channel)
            if channel == "print" and ways is not None:
                rows.append(_print(session, newest, target, pending, ways=ways, now=now))
                continue
            lane_id, over = {"mail": (target.lane_id, relay), "fax": (target.fax_lane_id, fax)}.get(
                channel, (None, None)
            )
            if lane_id is None or over is None:
                shut = NO_WAY if channel == "fax" else None
                rows.append(Forecast(target=target.key, channel=channel, pending=pending, decided_by=shut))
                continue
            lane = session.get_one(Lane, lane_id)
            wanted = limits_of(lane, over)
            listed = _listed(session, target) if channel == "mail" and target.mail == "digest" else 0
            mails = _mails(session, action.id, target.key, channel, listed)
            loads = [_load(session, one, lane, mails, rates=rates, zone=target.zone, now=now) for one in wanted]
            case = _Case(
                target=target,
                channel=channel,
                letters=pending,
                pending=mails,
                listed=listed,
                loads=loads,
                deadline=newest.deadline_at,
                now=now,
            )
            rows.append(_paced(case))
    return rows


def _print(
    session: Session, newest: ActionRevision, target: Target, pending: int, *, ways: Table, now: datetime
) -> Forecast:
    """Paper: the earliest last day of all offices whose letters are not in the post yet."""
    told = newest.content.get("deadline")
    waiting = (Delivery.recipient_key == target.key, Delivery.channel == "print", Delivery.state.in_(_UNPOSTED))
    query = select(Office.country, Address.country).select_from(Delivery).join(Office, Office.id == Delivery.office_id)
    query = query.join(Address, Address.id == Delivery.address_id)
    pairs = session.execute(query.where(Delivery.action_id == newest.action_id, *waiting).distinct()).all()
    if told is None or not pairs:
        return Forecast(target=target.key, channel="print", pending=pending)
    deadline = date.fromisoformat(told["date"])
    last = min(ways.post_by(sender=sender, country=country, deadline=deadline) for sender, country in pairs)
    late = max(0, (now.date() - last).days)
    by = "transit" if late else None
    return Forecast(
        target=target.key, channel="print", pending=pending, post_by=last, late_days=float(late), decided_by=by
    )


def _date(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None and moment != NEVER else None


def _pending(session: Session, action_id: int, key: str, channel: str) -> int:
    """Letters of one appeal each; those too that a digest on its way lists."""
    carried = and_(Delivery.state == "batched", Delivery.carrier_id.is_not(None))
    return _count(session, action_id, key, channel, Delivery.kind.in_(SINGLE), or_(_WAITS, carried))


def _mails(session: Session, action_id: int, key: str, channel: str, listed: int) -> int:
    """How many mails they are when `listed` of them wait for the end of a day."""
    single = _count(session, action_id, key, channel, Delivery.carrier_id.is_(None), _WAITS)
    return single - listed - (-listed // ROLL_MOST)


def _count(session: Session, action_id: int, key: str, channel: str, *chosen: ColumnElement[bool]) -> int:
    mine = (Delivery.action_id == action_id, Delivery.recipient_key == key, Delivery.channel == channel)
    return session.execute(select(func.count()).where(*mine, *chosen)).scalar_one()


def _listed(session: Session, target: Target) -> int:
    """Letters of the action to a target that wait for the end of its day."""
    same = select(Target.id).where(Target.action_id == target.action_id, Target.key == target.key)
    waiting = select(func.count()).where(GATHERING, Delivery.target_id.in_(same))
    return session.execute(waiting).scalar_one()


def _paced(case: _Case) -> Forecast:
    done, slowest = finishes(case.loads, case.now)
    closes_at = (
        next_day(case.now, case.target.zone) if case.channel == "mail" and case.target.mail == "digest" else None
    )
    if closes_at is not None and case.listed:
        # The digest can go when the day is over, and not before; the rest goes meanwhile.
        done = max(done, finishes([replace(load, pending=1) for load in case.loads], closes_at)[0])
    late = case.deadline is not None and done > case.deadline
    days = (done - case.deadline).total_seconds() / 86_400 if late and case.deadline else 0.0
    return Forecast(
        target=case.target.key,
        channel=case.channel,
        pending=case.letters,
        per_day=min(load.per_day() for load in case.loads),
        finishes_at=done if done != NEVER else None,
        late_days=None if done == NEVER else days,
        decided_by=_decided_by(slowest) if slowest else None,
        choices=_choices(case, case.deadline) if late and case.deadline else (),
        listed=case.listed,
        closes_at=closes_at,
    )


def _decided_by(load: Load) -> str:
    capped = load.capped
    return f"{load.scope} {load.key}".strip() + (f" ({capped} cap)" if capped else "")


def _load(
    session: Session, limit: tuple[str, str], lane: Lane, pending: int, *, rates: Rates, zone: str, now: datetime
) -> Load:
    """A limit with everything that waits under it: all lanes of the domain share the domain's."""
    scope, key = limit
    row = session.execute(select(Limit).where(Limit.scope == scope, Limit.key == key)).scalar_one_or_none()
    waiting = pending
    if scope not in ("mailbox", "number"):
        query = select(func.count()).select_from(Delivery).join(Lane, Lane.id == Delivery.lane_id)
        if scope == "domain":
            query = query.where(Lane.domain == lane.domain)
        if scope == "fax":
            query = query.where(Lane.kind == "fax")
        waiting = session.execute(query.where(Delivery.state == "queued")).scalar_one()
    conditions = rates.conditions_of(scope, key).in_zone(zone)
    return Load(
        scope=scope,
        key=key,
        rate=rates.of(scope, key).slowed(row.factor if row is not None else 1000),
        arrival_us=row.arrival_us if row is not None else 0,
        pending=max(waiting, pending),
        window=conditions.window,
        daily_cap=conditions.daily_cap,
        lifetime_left=_left(conditions.lifetime_cap, row),
        today_left=_left_today(conditions.daily_cap, row, conditions.today(now, zone)),
        zone=conditions.day_zone(zone),
    )


def _left(cap: int | None, row: Limit | None) -> int | None:
    return None if cap is None else max(0, cap - (row.sent if row is not None else 0))


def _left_today(cap: int | None, row: Limit | None, today: str) -> int | None:
    if cap is None:
        return None
    return max(0, cap - (row.day_sent if row is not None and row.day == today else 0))


def _choices(case: _Case, deadline: datetime) -> tuple[Choice, ...]:
    """Ways out, from the same numbers."""
    offers = [_raise(case, deadline)] if deadline > case.now else []
    single = [replace(load, pending=1) for load in case.loads]
    offers.append(
        Choice(
            what="roll",
            words="send a petition: one letter with the roll of signers",
            letters=1,
            finishes_at=finishes(single, case.now)[0],
        )
    )
    if case.target.address_id is not None:
        offers.append(_switch("print", "send {n} by post, with the next batch", case, deadline))
    if case.target.fax and case.channel != "fax":
        offers.append(_switch("fax", "send {n} by fax", case, deadline))
    if case.channel == "mail" and case.target.mail == "single":
        closes_at = next_day(case.now, case.target.zone)
        words = 'list the signers of a day in one mail: mail = "digest" in the action file'
        done = finishes(single, closes_at)[0]
        offers.append(Choice(what="digest", words=words, letters=1, finishes_at=done))
    return tuple(one for one in offers if one is not None)


def _raise(case: _Case, deadline: datetime) -> Choice | None:
    """The least pace for each limit that is too tight; None when no pace is enough."""
    tight = [load for load in case.loads if load.finishes(case.now) > deadline]
    paces = [(load, needed_per_day(load, deadline, case.now)) for load in tight]
    wider = [raised(load, per_day) for load, per_day in paces if per_day is not None]
    if len(wider) < len(tight):
        return None
    words = ", ".join(f"{per_day} a day for {load.scope} {load.key}".strip() for load, per_day in paces)
    others = [load for load in case.loads if load not in tight]
    return Choice(
        what="raise",
        words=f"allow {words}",
        letters=case.pending,
        finishes_at=finishes([*wider, *others], case.now)[0],
    )


def _switch(what: str, words: str, case: _Case, deadline: datetime) -> Choice:
    """What mail does not get through goes another way; mail goes on until the deadline."""
    # Under a shared limit the others may all go first.
    kept = min(max(0, through(load, deadline, case.now) - (load.pending - case.pending)) for load in case.loads)
    mailed = [replace(load, pending=load.pending - case.pending + kept) for load in case.loads]
    done = finishes(mailed, case.now)[0] if kept else case.now
    return Choice(what=what, words=words.format(n=case.pending - kept), letters=case.pending - kept, finishes_at=done)
