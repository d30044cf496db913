"""`uamail doctor`: whether letters could go out well, and what to do where they could not."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.doctor import house, names, relays
from uamail.doctor.finding import Finding
from uamail.event import Event
from uamail.installation import Installation
from uamail.mail.address import Mailbox, parse
from uamail.models import audit
from uamail.pipeline import rehearsing

_PROBLEM, _UNKNOWN = 1, 5
_MARKS = {"ok": "ok", "warning": "look", "problem": "BAD", "unknown": "?"}


def examine(
    home: HomeOption,
    send: Annotated[str, typer.Option("--send", help="Send a test mail to this address by every relay.")] = "",
    nameserver: Annotated[str, typer.Option(help="Ask the name server at this IP address.")] = "",
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65535)] = 53,
    as_json: JsonOption = False,
) -> None:
    """Look everything over: keys, database, fonts, relays, and the domain's SPF, DKIM, DMARC and MX.

    Exit code 1 when something is wrong, 5 when something could not be looked at. Only --send changes anything: the
    test mails go onto the record.
    """
    with opened(home) as inst:
        tester = parse(send) if send else None
        ask = names.resolver(nameserver or None, port=port)
        found = [*house.findings(inst)]
        # Without a database nobody can say what is stopped.
        answers = all(one.state != "problem" for one in found if one.what == "database")
        found += _relays(inst, tester if answers else None)
        found += names.findings(inst, ask)
    facts = [{"what": one.what, "state": one.state, "words": one.words} for one in found]
    rows = [(_MARKS[one.state], one.what, one.words) for one in found]
    show({"findings": facts}, as_json, lambda: table("doctor", ("", "what", "finding"), rows))
    raise typer.Exit(_code(found))


def _relays(inst: Installation, tester: Mailbox | None) -> list[Finding]:
    if tester is None:
        return list(relays.findings(inst, tester=None, now=datetime.now(UTC)))
    with inst.db.reading() as session:
        for name in inst.settings.relays:
            rehearsing.check(session, tester, relay=name, never_send=inst.settings.mail.never_send)
        now = db.now(session)
    found = list(relays.findings(inst, tester=tester.addr, now=now))
    with inst.db.scope() as session:
        sent = sum(one.what.startswith("test mail") and one.state == "ok" for one in found)
        audit.record(
            session,
            Event("relay:tested", db.now(session), actor(), {"relays": len(inst.settings.relays), "sent": sent}),
        )
    return found


def _code(found: Iterable[Finding]) -> int:
    states = {one.state for one in found}
    return _PROBLEM if "problem" in states else _UNKNOWN if "unknown" in states else 0
