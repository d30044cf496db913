"""`uamail audit anchor`: the newest checkpoint is shown to witnesses and stamped, and what they say is kept."""

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, opened, show, table
from uamail.errors import CannotCheck, LedgerError, OutsideError, SettingError
from uamail.installation import Installation
from uamail.ledger import outside, timestamp, witness
from uamail.ledger.cosignature import Witness, cosigned_at
from uamail.ledger.tree import prove_consistency
from uamail.models import AuditAnchor
from uamail.queries import proving

Said = tuple[str, str, bytes, str]


def anchor(home: HomeOption, as_json: JsonOption = False) -> None:
    """Have the newest checkpoint cosigned by the witnesses of the settings and time-stamped; for a timer or cron.

    Exit code 1 when a witness knows another history than we do, 4 when somebody does not answer.
    """
    with opened(home) as inst:
        if not inst.witnesses and not inst.settings.audit.timestamp_url:
            raise CannotCheck("nobody is named in audit.witnesses or audit.timestamp_url")
        said, failed = _ask_all(inst)
    facts = [{"kind": kind, "name": name, "at": at} for kind, name, _, at in said]
    show(
        {"anchors": facts},
        as_json,
        lambda: table("anchored", ("kind", "name", "at"), [tuple(one.values()) for one in facts]),
    )
    if failed:
        raise failed[0]


def _ask_all(inst: Installation) -> tuple[list[Said], list[Exception]]:
    """Everybody is asked, whoever fails; what they say is kept."""
    with inst.db.reading() as session:
        log = proving.log(session)
        steps: list[Any] = [lambda u=url, w=one: _cosigned(session, log, u, w) for url, one in inst.witnesses]
        if inst.settings.audit.timestamp_url:
            steps.append(lambda: _stamped(inst, log))
        said: list[Said] = []
        failed: list[Exception] = []
        for step in steps:
            try:
                said.append(step())
            except (LedgerError, OutsideError, CannotCheck) as error:
                failed.append(error)
    with inst.log_db.scope() as session:
        now = db.now(session)
        for kind, name, proof, _ in said:
            _keep(session, log.size, kind, name, proof, now)
    # A finding is worse than a witness that sleeps.
    return said, sorted(failed, key=lambda error: not isinstance(error, LedgerError))


def _keep(session: Session, size: int, kind: str, name: str, proof: bytes, now: datetime) -> None:
    there = select(AuditAnchor.id).where(AuditAnchor.size == size, AuditAnchor.kind == kind, AuditAnchor.name == name)
    if session.execute(there).first() is None:
        session.add(AuditAnchor(size=size, kind=kind, name=name, proof=proof, at=now))


def _cosigned(session: Session, log: proving.Log, url: str, one: Witness) -> Said:
    """Show the checkpoint to a witness, from where it stands. Raises LedgerError when it knows another history."""
    own = select(AuditAnchor.size).where(AuditAnchor.kind == "cosignature", AuditAnchor.name == one.name)
    old = session.execute(own.order_by(AuditAnchor.size.desc()).limit(1)).scalar() or 0
    reply = _shown(log, url, old)
    if reply.status == 409 and reply.body.strip().isdigit() and int(reply.body) != old:
        old = int(reply.body)
        if old > log.size:
            raise LedgerError(f"{one.name} has cosigned {old} entries, the log signs {log.size}: it was rolled back")
        reply = _shown(log, url, old)
    if reply.status in (409, 422):
        raise LedgerError(f"{one.name} knows another history of this log, up to entry {old - 1}", max(0, old - 1))
    line = reply.body.decode("utf-8", "replace")
    at = cosigned_at(log.note + line, one) if reply.status == 200 else None
    if at is None:
        raise OutsideError(f"{one.name} answered {reply.status} without a cosignature that its key made")
    return "cosignature", one.name, line.encode(), datetime.fromtimestamp(at).astimezone().isoformat()


def _shown(log: proving.Log, url: str, old: int) -> outside.Reply:
    proof = prove_consistency(log.shelf.get, old, log.size) if old <= log.size else ()
    body = witness.request(old, proof, log.note)
    return outside.post(f"{url.rstrip('/')}/add-checkpoint", body.encode(), content_type="text/plain")


def _stamped(inst: Installation, log: proving.Log) -> Said:
    """The newest checkpoint's body, stamped by the service of the settings."""
    url, body = inst.settings.audit.timestamp_url, log.body.encode()
    reply = outside.post(url, timestamp.query(body), content_type=timestamp.QUERY_TYPE)
    if reply.status != 200:
        raise OutsideError(f"{url} answered {reply.status}")
    at = timestamp.stamped_at(reply.body, body, roots=roots(inst))
    return "timestamp", url, reply.body, at.isoformat()


def roots(inst: Installation) -> bytes:
    """The root certificate of the time stamping service. Raises SettingError when it is missing."""
    name = inst.settings.audit.timestamp_ca_file
    path: Path = inst.home.root / name
    if not name or not path.is_file():
        raise SettingError("audit.timestamp_ca_file", name, "name the service's root certificate (PEM)")
    return path.read_bytes()
