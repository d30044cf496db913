"""Releasing: a named person lets one frozen run of letters go; importing alone sends nothing."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from uamail.errors import NotFound, RuleRefused
from uamail.event import Event, Fact
from uamail.models import Action, ActionRevision, Batch, Delivery, Release, Target, appeal, audit, batch, delivery
from uamail.models.delivery import LETTERS


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a release would cover: letters that are free to go, and letters past their deadline.

    Staying behind: `overdue` letters, because nobody gave a reason to send them late, and `unapproved` batches.
    """

    revision_id: int
    channel: str
    queued: tuple[int, ...]
    late: tuple[int, ...]
    batches: tuple[int, ...]
    batched: tuple[int, ...]
    overdue: int = 0
    unapproved: tuple[str, ...] = ()

    @property
    def members(self) -> list[int]:
        """Every letter the release covers: those in approved batches too."""
        return [*self.queued, *self.late, *self.batched]


def run_of(session: Session, action: Action, *, channel: str, late: bool) -> Run:
    """The letters of the newest revision that a release now would cover; past-deadline ones only when asked for."""
    revision_id = session.execute(
        select(ActionRevision.id)
        .where(ActionRevision.action_id == action.id)
        .order_by(ActionRevision.number.desc())
        .limit(1)
    ).scalar_one()
    targets = select(Target.id).where(Target.revision_id == revision_id)
    chosen = (
        Delivery.action_id == action.id,
        # What was redirected goes to a target of the newest revision, in the words that were signed.
        or_(Delivery.revision_id == revision_id, Delivery.target_id.in_(targets)),
        Delivery.channel == channel,
        Delivery.kind.in_(LETTERS),
        # What a digest lists goes with it.
        Delivery.carrier_id.is_(None),
    )
    queued = select(Delivery.id).where(*chosen, Delivery.state == "queued", Delivery.release_id.is_(None))
    past = select(Delivery.id).where(*chosen, Delivery.state == "held", Delivery.reason == "deadline")
    overdue = tuple(session.execute(past.order_by(Delivery.id)).scalars())
    approved = select(Batch.id).where(Batch.action_id == action.id, Batch.state == "approved")
    batches = session.execute(approved.order_by(Batch.id)).scalars().all() if channel == "print" else []
    batched = select(Delivery.id).where(Delivery.batch_id.in_(batches), Delivery.state == "batched")
    return Run(
        revision_id=revision_id,
        channel=channel,
        queued=tuple(session.execute(queued.order_by(Delivery.id)).scalars()),
        late=overdue if late else (),
        batches=tuple(batches),
        batched=tuple(session.execute(batched.order_by(Delivery.id)).scalars()),
        overdue=0 if late else len(overdue),
        unapproved=_unapproved(session, action) if channel == "print" else (),
    )


def _unapproved(session: Session, action: Action) -> tuple[str, ...]:
    query = select(Batch).where(Batch.action_id == action.id, Batch.state == "rendered").order_by(Batch.id)
    return tuple(one.name for one in session.execute(query).scalars())


def check(action: Action, run: Run, *, reason: str | None, standing_until: datetime | None) -> None:
    """Raises RuleRefused for a closed action, late letters without a reason, and a run that covers nothing."""
    if action.closed_on is not None:
        raise RuleRefused(f"action {action.key} is closed: uamail action reopen {action.key}")
    if run.late and not (reason or "").strip():
        raise RuleRefused("the deadline has passed: agree it with the office and give --reason")
    if run.members or standing_until:
        return
    if run.overdue:
        raise RuleRefused(
            f"the deadline of {action.key} has passed and holds {run.overdue} letters: "
            "agree it with the office, then give --reason"
        )
    remedy = f"; approve first: uamail batch approve {run.unapproved[0]}" if run.unapproved else ""
    raise RuleRefused(f"nothing of {action.key} waits for a release on {run.channel}{remedy}")


def request(
    session: Session,
    action: Action,
    run: Run,
    *,
    preview_sha256: str,
    reason: str | None,
    standing_until: datetime | None,
    now: datetime,
    actor: str,
) -> int:
    """Freeze the run under a release that still waits for its approval; returns the release's id.

    Raises RuleRefused as `check` does.
    """
    check(action, run, reason=reason, standing_until=standing_until)
    made = Release(
        action_id=action.id,
        revision_id=run.revision_id,
        channel=run.channel,
        state="requested",
        reason=reason,
        standing_until=standing_until,
        deliveries=len(run.members),
        preview_sha256=preview_sha256,
        requested_by=actor,
        requested_at=now,
    )
    session.add(made)
    session.flush()
    _bind(session, Delivery, run.members, made.id)
    _bind(session, Batch, run.batches, made.id)
    facts: dict[str, Fact] = {
        "release": made.id,
        "action": action.id,
        "channel": run.channel,
        "preview": preview_sha256,
    }
    audit.record_set(session, Event("release:requested", now, actor, facts), "delivery", run.members)
    return made.id


def _bind(session: Session, table: type[Delivery] | type[Batch], ids: Sequence[int], release_id: int) -> None:
    for start in range(0, len(ids), 1000):
        session.execute(
            update(table)
            .where(table.id.in_(ids[start : start + 1000]))
            .values(release_id=release_id)
            .execution_options(synchronize_session=False)
        )


def approve(session: Session, release_id: int, *, second_person: bool, now: datetime, actor: str) -> Release:
    """Let the run go. Raises RuleRefused when the approver also asked for it and the settings want a second person."""
    release = requested(session, release_id)
    if second_person and release.requested_by == actor:
        raise RuleRefused("nobody approves their own release: a second operator runs uamail release approve")
    release.state, release.approved_by, release.approved_at = "approved", actor, now
    facts: dict[str, Fact] = {"release": release.id, "action": release.action_id, "preview": release.preview_sha256}
    bound = session.execute(select(Delivery.id).where(Delivery.release_id == release.id)).scalars().all()
    audit.record_set(session, Event("release:approved", now, actor, facts), "delivery", bound)
    _let_go(session, release, now=now, actor=actor)
    return release


def _let_go(session: Session, release: Release, *, now: datetime, actor: str) -> None:
    bound = select(Delivery.id).where(Delivery.release_id == release.id)
    late = session.execute(bound.where(Delivery.state == "held", Delivery.reason == "deadline")).scalars().all()
    facts = {"release": release.id}
    freed = delivery.move(
        session, late, from_="held", to="queued", now=now, actor=actor, facts=facts, not_after=None, due_at=now
    )
    _touch(session, freed)
    for batch_id in session.execute(select(Batch.id).where(Batch.release_id == release.id)).scalars().all():
        batch.move(session, batch_id, from_="approved", to="released", now=now, actor=actor, facts=facts)


def _touch(session: Session, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), 1000):
        some = select(Delivery.appeal_id).where(Delivery.id.in_(ids[start : start + 1000]))
        appeal.touch(session, session.execute(some).scalars().all())


def print_preview(session: Session, run: Run) -> str:
    """What is approved by releasing batches: the hash over the hashes of their letters.pdf."""
    query = select(Batch.pdf_sha256).where(Batch.id.in_(run.batches)).order_by(Batch.id)
    return hashlib.sha256("\n".join(one or "" for one in session.execute(query).scalars()).encode()).hexdigest()


def specimens(session: Session, run: Run) -> list[int]:
    """The oldest letter of a run to each target in each language, oldest first: what its preview shows.

    What waits for a digest counts apart from mails of their own.

    It depends on nothing but which letters the run has, so that whoever approves sees what was asked for.
    """
    first: dict[tuple[str, str, bool], int] = {}
    columns = (Delivery.recipient_key, Delivery.language, Delivery.lane_id.is_(None))
    for some in _some(run.members):
        query = select(*columns, func.min(Delivery.id)).where(Delivery.id.in_(some)).group_by(*columns)
        for key, tag, listed, id in session.execute(query):
            first[key, tag, listed] = min(first.get((key, tag, listed), id), id)
    return sorted(first.values())


def counts(session: Session, run: Run) -> list[tuple[str, str, str, int]]:
    """How many letters a run has by target, channel and language."""
    found: Counter[tuple[str, str, str]] = Counter()
    columns = (Delivery.recipient_key, Delivery.channel, Delivery.language)
    for some in _some(run.members):
        query = select(*columns, func.count()).where(Delivery.id.in_(some)).group_by(*columns)
        for target, channel, language, n in session.execute(query):
            found[target, channel, language] += n
    return [(*key, n) for key, n in sorted(found.items())]


def requested(session: Session, release_id: int) -> Release:
    """A release that waits for its approval. Raises NotFound, and RuleRefused when it waits no more."""
    release = session.get(Release, release_id)
    if release is None:
        raise NotFound(f"no release {release_id}; uamail release list shows them")
    if release.state != "requested":
        raise RuleRefused(f"release {release_id} is {release.state} already")
    return release


def frozen(session: Session, release: Release) -> Run:
    """The run that a release froze when it was asked for, whatever has been signed since."""
    bound = select(Delivery.id).where(Delivery.release_id == release.id).order_by(Delivery.id)
    late = (Delivery.state == "held", Delivery.reason == "deadline")
    batches = tuple(
        session.execute(select(Batch.id).where(Batch.release_id == release.id).order_by(Batch.id)).scalars()
    )
    overdue = tuple(session.execute(bound.where(*late)).scalars())
    batched = tuple(session.execute(bound.where(Delivery.state == "batched")).scalars())
    rest = set(overdue) | set(batched)
    return Run(
        revision_id=release.revision_id,
        channel=release.channel,
        queued=tuple(one for one in session.execute(bound).scalars() if one not in rest),
        late=overdue,
        batches=tuple(batches),
        batched=batched,
    )


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Ids in handfuls: a statement takes only so many."""
    return (ids[start : start + 1000] for start in range(0, len(ids), 1000))
