"""Configuring: which settings the house works by is on record, section by section, without their values."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.event import Event, Fact
from uamail.models import AuditEvent, audit
from uamail.vault import Keyring

# Enough to tell two settings apart; nobody can guess a value from it without the key.
_DIGITS = 12


def note(session: Session, sections: Mapping[str, Any], *, keys: Keyring, now: datetime, actor: str) -> list[str]:
    """Write down which sections differ from those that were last in use; returns their names.

    `sections` are plain values by the name of their section, `actor` is who started the process that uses them.
    """
    digests = {name: _digest(keys, name, value) for name, value in sorted(sections.items())}
    before = _before(session)
    changed = [name for name in digests if before.get(name) != digests[name]]
    if changed:
        told = " ".join(f"{name}:{digest}" for name, digest in digests.items())
        facts: dict[str, Fact] = {"changed": " ".join(changed), "digests": told}
        audit.record(session, Event("settings:changed", now, actor, facts))
    return changed


def _digest(keys: Keyring, name: str, value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return keys.lookup(f"settings {name}", text).hex()[:_DIGITS]


def _before(session: Session) -> dict[str, str]:
    newest = select(AuditEvent.body).where(AuditEvent.type == "settings:changed").order_by(AuditEvent.id.desc())
    body = session.execute(newest.limit(1)).scalar_one_or_none()
    told: str = json.loads(body)["digests"] if body else ""
    return dict(one.split(":") for one in told.split())
