"""Importing a file: rows stream through intake chunk by chunk; a killed import goes on where it was."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.errors import SignatureFileError
from uamail.event import Event, Fact
from uamail.importing import detect, profile, signature, table
from uamail.importing.quarantine import Quarantine
from uamail.importing.signature import Rejected, Signature
from uamail.models import Action, ImportRun, audit
from uamail.pipeline import intake
from uamail.vault import Keyring

Scope = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that was looked at: what it is and how it will be read."""

    path: Path
    size: int
    sha256: str
    encoding: str
    delimiter: str
    profile: profile.Profile
    unknown_columns: tuple[str, ...]
    # What the people who signed were asked, word for word; None: nobody said.
    wording: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of the rows; they add up."""

    rows: int
    new: int
    identical: int
    conflicting: int
    quarantined: int
    quarantine_path: str | None
    profile: str

    def plain(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "new": self.new,
            "identical": self.identical,
            "conflicting": self.conflicting,
            "quarantined": self.quarantined,
            "quarantine_path": self.quarantine_path,
            "profile": self.profile,
        }


def look(
    path: Path, *, profile_name: str, encoding: str | None, delimiter: str | None, wording: str | None = None
) -> Source:
    """Detect how a file is to be read; `wording` of the consent goes before the profile's.

    Raises SignatureFileError when that is ambiguous or a column is missing.
    """
    if not path.is_file():
        raise SignatureFileError(path.name, "there is no such file", "Check the path")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(detect.HEAD)
        digest.update(head)
        while block := file.read(1 << 20):
            digest.update(block)
    found = detect.detect(head, name=path.name, encoding=encoding, delimiter=delimiter)
    chosen = profile.load(profile_name)
    columns = chosen.match(table.header(path, encoding=found.encoding, delimiter=found.delimiter), file=path.name)
    return Source(
        path=path,
        size=path.stat().st_size,
        sha256=digest.hexdigest(),
        encoding=found.encoding,
        delimiter=found.delimiter,
        profile=chosen,
        unknown_columns=tuple(columns.unknown),
        wording=(wording or chosen.wording or "").strip() or None,
    )


class _DryRun(Exception):
    """Undoes the transaction of a rehearsal."""


@dataclass(frozen=True)
class _Read:
    """One row as read: where it ends in the file, its text, and what it says."""

    offset: int
    raw: str
    said: Signature | Rejected


@dataclass(frozen=True, kw_only=True)
class Importer:
    """What every import of this installation goes by; `clock` reads the database's time."""

    scope: Scope
    clock: Callable[[Session], datetime]
    keys: Keyring
    quarantine_dir: Path
    chunk: int
    language: str
    actor: str

    def read(
        self,
        source: Source,
        action: Action,
        revision_id: int,
        *,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Report:
        """Import every row, `chunk` rows a transaction; `progress` hears how many bytes are done.

        A bad row goes to the quarantine file with its line and reason.
        """
        with self.scope() as session:
            now = self.clock(session)
            run_id, start = _begin(session, source, action.id, now=now, actor=self.actor)
        path = self.quarantine_dir / f"import-{run_id}.csv"
        with Quarantine(path) as quarantine:
            for rows in _chunks(self._rows(source, now), start, self.chunk):
                self._take(rows, run_id, revision_id, quarantine)
                progress(rows[-1].offset)
        progress(source.size)
        with self.scope() as session:
            run = session.get_one(ImportRun, run_id)
            return self._finish(session, run, str(path) if path.exists() else None)

    def rehearse(self, source: Source, action: Action, revision_id: int) -> Report:
        """The same work in one transaction, undone at its end; nothing is written to the quarantine."""
        bad = total = 0
        counts: list[intake.Counts] = []
        try:
            with self.scope() as session:
                now = self.clock(session)
                run_id, _ = _begin(session, source, action.id, now=now, actor=self.actor)
                run = session.get_one(ImportRun, run_id)
                for rows in _chunks(self._rows(source, now), 1, self.chunk):
                    good = [row.said for row in rows if isinstance(row.said, Signature)]
                    counts.append(self._store(session, run, good, revision_id, now))
                    total, bad = total + len(rows), bad + len(rows) - len(good)
                raise _DryRun
        except _DryRun:
            return Report(
                rows=total,
                new=sum(one.new for one in counts),
                identical=sum(one.identical for one in counts),
                conflicting=sum(len(one.conflicts) for one in counts),
                quarantined=bad,
                quarantine_path=None,
                profile=source.profile.name,
            )

    def _rows(self, source: Source, now: datetime) -> Iterator[_Read]:
        for row in table.rows(source.path, encoding=source.encoding, delimiter=source.delimiter):
            said = signature.read(row, source.profile, now=now, language=self.language)
            yield _Read(row.offset, row.raw, said)

    def _store(
        self, session: Session, run: ImportRun, good: Sequence[Signature], revision_id: int, now: datetime
    ) -> intake.Counts:
        return intake.take(session, run, good, revision_id=revision_id, keys=self.keys, now=now, actor=self.actor)

    def _take(self, rows: Sequence[_Read], run_id: int, revision_id: int, quarantine: Quarantine) -> None:
        good = [row.said for row in rows if isinstance(row.said, Signature)]
        bad = [row.said for row in rows if isinstance(row.said, Rejected)]
        raw = {row.said.ordinal: row.raw for row in rows}
        with self.scope() as session:
            run = session.execute(select(ImportRun).where(ImportRun.id == run_id).with_for_update()).scalar_one()
            counts = self._store(session, run, good, revision_id, self.clock(session))
            conflicts = [
                Rejected(line=one.line, ordinal=one.ordinal, raw=raw[one.ordinal], reason=reason)
                for one, reason in counts.conflicts
            ]
            for rejected in sorted((*bad, *conflicts), key=lambda one: one.ordinal):
                quarantine.add(rejected)
            # On the disk before the rows count as read: a kill between the two repeats the chunk, and the file knows.
            quarantine.flush()
            run.rows += len(rows)
            run.new += counts.new
            run.identical += counts.identical
            run.conflicting += len(conflicts)
            run.quarantined += len(bad)
            run.next_ordinal = rows[-1].said.ordinal + 1

    def _finish(self, session: Session, run: ImportRun, path: str | None) -> Report:
        now = self.clock(session)
        run.state, run.finished_at = "finished", now
        facts: dict[str, Fact] = {"import": run.id, "rows": run.rows, "new": run.new, "quarantined": run.quarantined}
        audit.record(session, Event("import:finished", now, self.actor, facts))
        return Report(
            rows=run.rows,
            new=run.new,
            identical=run.identical,
            conflicting=run.conflicting,
            quarantined=run.quarantined,
            quarantine_path=path,
            profile=run.profile,
        )


def _chunks(rows: Iterable[_Read], start: int, size: int) -> Iterator[list[_Read]]:
    ahead = (row for row in rows if row.said.ordinal >= start)
    while some := list(islice(ahead, size)):
        yield some


def _begin(session: Session, source: Source, action_id: int, *, now: datetime, actor: str) -> tuple[int, int]:
    """The run and the first row to read: a new run, or the one that was killed in the middle of this very file."""
    same = (
        ImportRun.action_id == action_id,
        ImportRun.source == source.profile.source,
        ImportRun.file_sha256 == source.sha256,
    )
    last = session.execute(
        select(ImportRun).where(*same, ImportRun.state == "running").limit(1).with_for_update()
    ).scalar_one_or_none()
    if last is not None:
        return last.id, last.next_ordinal
    number = session.execute(select(func.count()).select_from(ImportRun).where(*same)).scalar_one() + 1
    run = ImportRun(
        action_id=action_id,
        number=number,
        source=source.profile.source,
        profile=source.profile.name,
        file_sha256=source.sha256,
        encoding=source.encoding,
        delimiter=source.delimiter,
        consent_wording=source.wording,
        state="running",
        started_at=now,
    )
    session.add(run)
    session.flush()
    facts: dict[str, Fact] = {
        "import": run.id,
        "action": action_id,
        "file": source.sha256,
        "profile": source.profile.name,
        "wording": hashlib.sha256(source.wording.encode()).hexdigest() if source.wording else None,
    }
    audit.record(session, Event("import:started", now, actor, facts))
    return run.id, run.next_ordinal
