"""A home with an action in it, and short words for what happens there: sign, route, claim, finish."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from uamail.actions import loader, record
from uamail.actions.values import ActionFile
from uamail.importing import sample
from uamail.importing.signature import Signature
from uamail.installation import Installation
from uamail.mail.faults import DROP_AFTER_DOT, Fault, Faults, Rule
from uamail.mail.reply import Reply, parse
from uamail.mail.transport import Kind, Outcome
from uamail.models import Action, ActionRevision, Appeal, Attempt, AuditEvent, AuditSpan, Delivery, ImportRun, Lane
from uamail.paths import CONFIG
from uamail.pipeline import batching, dispatch, gathering, importfile, intake, outcomes, publishing, rescue, routing
from uamail.pipeline.batching import Rules
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.dispatch import Terms
from uamail.settings import RetrySettings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DEMO = CONFIG / "actions" / "demo.toml"
RETRY = RetrySettings(
    first_seconds=60, factor=2, most_seconds=600, give_up_hours=24, poison_attempts=3, relay_pause_seconds=300
)
RULES = Rules(profile="din5008-b", profiles={"GB": "uk"}, mode="individual", seal_pieces=50, seal_after=timedelta(1))
PRESIDENT = "mailbox:president@gov.example"


def demo(**changes: Any) -> ActionFile:
    """The demonstration action, with other values where they are given."""
    return replace(loader.load(DEMO), **changes)


def mail_only() -> ActionFile:
    """The demonstration action without letters on paper: laying them out takes most of a run's time."""
    action = demo()
    targets = tuple(replace(one, channels=("mail",)) for one in action.targets if "mail" in one.channels)
    return replace(action, targets=targets)


def listing(**changes: Any) -> ActionFile:
    """The same, with a digest for the president; other values of that target where they are given."""
    action = mail_only()
    first, *others = action.targets
    return replace(action, targets=(replace(first, mail="digest", **changes), *others))


# As Faults.random, but always the same share of each kind of fault.
BAD_DAY = (
    (Fault("rcpt", "reply", 450, "4.2.0 busy"), 0.35),
    (Fault("body", "reply", 451, "4.3.0 local error"), 0.30),
    (Fault("body", "cut", after=200), 0.15),
    (DROP_AFTER_DOT, 0.15),
    (Fault("rcpt", "reply", 550, "5.1.1 no such user here"), 0.05),
)


def bad_day(seed: int, share: float) -> Faults:
    return Faults(tuple(Rule(fault, share * part) for fault, part in BAD_DAY), seed)


def signature(number: int, **changes: Any) -> Signature:
    """A made-up signature; every number is another person."""
    made = Signature(
        external_id=f"T-{number:05d}",
        name=f"Ada Example {chr(65 + number % 26)}",
        email=f"ada.{number}@post.example",
        country="CH",
        address=("Beispielweg 1",),
        postcode="8000",
        locality="Zürich",
        language="de",
        body=None,
        disclosure="name",
        consent=True,
        contact=True,
        reply=False,
        signed_at=NOW - timedelta(days=2),
        line=number + 1,
        ordinal=number,
    )
    return replace(made, **changes)


def terms(**changes: Any) -> Terms:
    """Claims in a rehearsal without limits, unless said otherwise."""
    plain = Terms(relay="main", rehearsal=True, rates=None, lease=timedelta(minutes=2), most=50)
    return replace(plain, **changes)


@dataclass
class World:
    """An installation, an action in it and the time it is there."""

    inst: Installation
    now: datetime = NOW
    action_id: int = 0
    revision_id: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    @contextmanager
    def scope(self) -> Iterator[Session]:
        with self.inst.db.scope() as session:
            yield session

    @property
    def when(self) -> dict[str, Any]:
        return {"now": self.now, "actor": "tester"}

    def later(self, **span: float) -> datetime:
        """Let time pass; returns the new time."""
        self.now += timedelta(**span)
        return self.now

    def publish(self, action: ActionFile | None = None) -> publishing.Published:
        """Publish an action file (the demonstration action) and work with it from now on."""
        file = action or demo()
        with self.scope() as session:
            content = record.plain(file)
            done = publishing.publish(session, file, content=content, sha256=record.fingerprint(file), **self.when)
        self.action_id, self.revision_id = done.action_id, done.revision_id
        return done

    def action(self, session: Session) -> Action:
        return session.get_one(Action, self.action_id)

    def sign(self, n: int = 1, **changes: Any) -> list[int]:
        """`n` more people sign the newest revision; returns the ids of their appeals."""
        return self.take([signature(next(self._numbers), **changes) for _ in range(n)])

    def take(self, signatures: Sequence[Signature]) -> list[int]:
        """Store signatures as one import; returns the ids of all appeals it made."""
        with self.scope() as session:
            run = self.run_of_import(session)
            intake.take(session, run, signatures, revision_id=self.revision_id, keys=self.inst.keys, **self.when)
            return list(session.execute(select(Appeal.id).where(Appeal.import_id == run.id)).scalars())

    def run_of_import(self, session: Session) -> ImportRun:
        number = session.execute(select(func.count()).select_from(ImportRun)).scalar_one() + 1
        run = ImportRun(
            action_id=self.action_id,
            number=number,
            source="test",
            profile="generic",
            file_sha256="0" * 64,
            encoding="utf-8",
            delimiter=",",
            state="running",
            started_at=self.now,
        )
        session.add(run)
        session.flush()
        return run

    def route(self) -> None:
        with self.scope() as session:
            while routing.route(session, keys=self.inst.keys, **self.when):
                pass

    def letters(self, n: int = 1, **changes: Any) -> list[int]:
        """`n` more people sign and are routed; returns the ids of their appeals."""
        made = self.sign(n, **changes)
        self.route()
        return made

    def gather(self, *, rehearsal: bool = True) -> int:
        """Close the days that are over."""
        done = 0
        with self.scope() as session:
            while n := gathering.gather(session, keys=self.inst.keys, rehearsal=rehearsal, **self.when):
                done += n
        return done

    def lane(self, key: str = PRESIDENT) -> int:
        with self.inst.db.reading() as session:
            return session.execute(select(Lane.id).where(Lane.key == key)).scalar_one()

    def claim(self, lane: str = PRESIDENT, *, worker: str = "worker-1", **changes: Any) -> tuple[Claim, ...]:
        with self.scope() as session:
            chosen = session.execute(select(Lane.id).where(Lane.key == lane)).scalar_one()
            return dispatch.claim(session, chosen, terms=terms(**changes), worker=worker, now=self.now).claims

    def begin(self, claim: Claim) -> None:
        with self.scope() as session:
            outcomes.begin(session, marker(self.inst, claim), now=self.now)

    def finish(self, *results: Finished, retry: RetrySettings = RETRY) -> None:
        with self.scope() as session:
            outcomes.finish(session, results, retry=retry, **self.when)

    def reap(self, retry: RetrySettings = RETRY) -> int:
        """Rescue lapsed claims."""
        rules = rescue.Rules(retry=retry, name=self.inst.house.message_id)
        with self.scope() as session:
            return rescue.lapsed(session, fence=self.inst.fence, rules=rules, **self.when)

    def collect(self, rules: Rules = RULES) -> None:
        """Gather queued print letters in open batches."""
        with self.scope() as session:
            while batching.collect(session, rules=rules, **self.when):
                pass

    def seal(self, rules: Rules = RULES, *, force: bool = True) -> int:
        with self.scope() as session:
            return batching.seal(session, rules=rules, force=force, **self.when)

    def deliveries(self, *conditions: Any) -> list[Delivery]:
        with self.inst.db.reading() as session:
            return list(session.execute(select(Delivery).where(*conditions).order_by(Delivery.id)).scalars())

    def states(self, *conditions: Any) -> dict[str, int]:
        """How many deliveries are in which state; "held:deadline" where there is a reason."""
        found: dict[str, int] = {}
        for one in self.deliveries(*conditions):
            word = f"{one.state}:{one.reason}" if one.reason else one.state
            found[word] = found.get(word, 0) + 1
        return found

    def delivery(self, id: int) -> Delivery:
        with self.inst.db.reading() as session:
            return session.get_one(Delivery, id)

    def attempt(self, claim: Claim) -> Attempt:
        with self.inst.db.reading() as session:
            return session.get_one(Attempt, claim.attempt_id)

    def count(self, query: Select[Any]) -> int:
        with self.inst.db.reading() as session:
            return session.execute(select(func.count()).select_from(query.subquery())).scalar_one()

    def revision(self, session: Session) -> ActionRevision:
        return session.get_one(ActionRevision, self.revision_id)


def events(world: World, type: str) -> list[dict[str, Any]]:
    """Every event of a type as it was written, oldest first."""
    with world.scope() as session:
        query = select(AuditEvent.body).where(AuditEvent.type == type).order_by(AuditEvent.id)
        return [json.loads(body) for body in session.execute(query).scalars()]


def last_event(world: World) -> tuple[dict[str, Any], list[tuple[str, int, int]]]:
    """The newest event of the record, and the spans it covers."""
    with world.inst.db.reading() as session:
        event = session.execute(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).scalar_one()
        spans = session.execute(select(AuditSpan).where(AuditSpan.event_id == event.id).order_by(AuditSpan.first_id))
        return json.loads(event.body), [(one.subject, one.first_id, one.last_id) for one in spans.scalars()]


def marker(inst: Installation, claim: Claim) -> Marker:
    return Marker(
        attempt_id=claim.attempt_id,
        message_id=inst.house.message_id(claim.delivery_id),
        commitment="00" * 32,
        opening=b"sealed",
    )


def reply(line: str) -> Reply:
    """A reply by its line: `reply("450 4.2.0 busy")`."""
    code, _, text = line.partition(" ")
    return parse(int(code), text)


def result(claim: Claim, kind: Kind, line: str | None = None, *, stage: Any = "body", **changes: Any) -> Finished:
    """What came of a claim."""
    outcome = Outcome(
        key=claim.attempt_id, kind=kind, stage=stage, reply=reply(line) if line else None, tls=None, relay="main"
    )
    return Finished(claim=claim, outcome=outcome, **changes)


def importer(inst: Installation, *, chunk: int = 50, clock: Any = None) -> importfile.Importer:
    """Imports as the command line does it."""
    from uamail import db

    return importfile.Importer(
        scope=inst.db.scope,
        clock=clock or db.now,
        keys=inst.keys,
        quarantine_dir=inst.home.quarantine,
        chunk=chunk,
        language="en",
        actor="tester",
    )


def import_sample(world: World, path: Path, *, count: int, seed: int = 7, bad: int = 0, **terms: Any) -> Any:
    """Import a generated file of signatures; returns its report."""
    sample.write(path, count=count, seed=seed, now=NOW, bad=bad, **terms)
    source = importfile.look(path, profile_name="generic", encoding=None, delimiter=None)
    with world.inst.db.reading() as session:
        action = world.action(session)
    return importer(world.inst).read(source, action, world.revision_id)
