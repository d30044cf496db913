"""`uamail rehearse`: the first letters of an action to one tester, through the relay, before anything is released."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer

from uamail import db
from uamail.cli.action import UaArgument
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.errors import InputError, NotFound, OutsideError, RelayError
from uamail.installation import Installation
from uamail.mail.address import Mailbox, parse
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.message import Mail, build
from uamail.mail.reflect import reflect
from uamail.mail.transport import Outcome, Transport
from uamail.pipeline import receipts, rehearsing, rolls, sending
from uamail.pipeline.receipts import Notice
from uamail.pipeline.rolls import Roll
from uamail.pipeline.writing import Brief
from uamail.queries import finding

MOST = 20  # letters of a kind: to look at, not to send an action to oneself


class Lost(OutsideError):
    """Some mails of a rehearsal did not get through; the table says which."""


class _Unmarked:
    """No marker is kept: a rehearsal that is lost is rehearsed again."""

    async def begin(self, key: int) -> None:
        """Nothing to remember."""


@dataclass(frozen=True, kw_only=True)
class _Test:
    """One mail of a rehearsal: for whom it was made, and what came of it."""

    delivery: int
    target: str
    language: str
    subject: str | None = None
    data: bytes | None = field(default=None, repr=False)
    result: str = "not sent"

    def plain(self) -> dict[str, Any]:
        facts = {"delivery": self.delivery, "target": self.target, "language": self.language}
        return {**facts, "subject": self.subject, "result": self.result}


def rehearse(
    ua: UaArgument,
    home: HomeOption,
    to: Annotated[str | None, typer.Option("--to", help="The tester. Default: mail.reflect_to.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, max=MOST, help="How many to each target in each language.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Send the first letters to yourself, marked as a test; needs no release and changes no delivery."""
    with opened(home) as inst:
        tester = _tester(inst, to)
        key, letters, notices, now = _look(inst, ua, tester, most=n)
        tests = list(_written(inst, letters, notices, now, tester))
        done, error = asyncio.run(_sent(inst, tests, tester))
        _record(inst, ua, done)
    rows = [one.plain() for one in done]
    columns = ("delivery", "target", "language", "subject", "result")
    title = f"UA {key}: rehearsed, nothing went to anybody else"
    facts = {"ua": key, "sent": _accepted(done), "mails": rows}
    show(facts, as_json, lambda: table(title, columns, [tuple(row.values()) for row in rows]))
    if error is not None:
        raise error
    if _accepted(done) < len(done):
        raise Lost(f"{len(done) - _accepted(done)} of {len(done)} mails did not get through")


def _tester(inst: Installation, to: str | None) -> Mailbox:
    address = to or inst.settings.mail.reflect_to
    if not address:
        raise InputError("to whom? uamail rehearse UA --to NAME@OFFICE, or set mail.reflect_to")
    return parse(address)


def _look(
    inst: Installation, ua: str, tester: Mailbox, *, most: int
) -> tuple[str, Sequence[Brief | Roll], Sequence[Notice], datetime]:
    with inst.db.reading() as session:
        rehearsing.check(session, tester, relay=inst.relay.name, never_send=inst.settings.mail.never_send)
        action = finding.action(session, ua)
        parts = rehearsing.choose(session, action, most=most)
        if not parts.letters and not parts.notices:
            raise NotFound(f"nothing of {action.key} waits to be mailed; uamail status {action.key} says what there is")
        letters = rolls.shown(session, parts.letters, among=parts.letters)
        return action.key, letters, receipts.notices(session, parts.notices), db.now(session)


def _written(
    inst: Installation, letters: Iterable[Brief | Roll], notices: Iterable[Notice], now: datetime, tester: Mailbox
) -> Iterator[_Test]:
    """The mails by the very functions that write the real ones, then reflected."""
    for one in letters:
        made = _Test(delivery=one.delivery_id, target=one.recipient_key, language=one.language)
        yield _reflected(made, partial(sending.previewed, one, house=inst.house, now=now), inst, tester)
    for notice in notices:
        made = _Test(delivery=notice.delivery_id, target=notice.occasion, language=notice.language)
        yield _reflected(made, partial(sending.notice_mail, notice, house=inst.house, now=now), inst, tester)


def _reflected(made: _Test, write: Callable[[], Mail], inst: Installation, tester: Mailbox) -> _Test:
    try:
        mail = reflect(write(), to=tester.addr, templates_dir=inst.settings.operator_templates)
        data = build(mail)
        return replace(made, subject=mail.subject, data=inst.signer.sign(data) if inst.signer else data)
    except InputError as error:
        return replace(made, result=f"cannot be written: {error}")


async def _sent(inst: Installation, tests: Sequence[_Test], tester: Mailbox) -> tuple[list[_Test], RelayError | None]:
    """The tests with their results, and the error when the relay could not be used (the rest stays unsent)."""
    done = list(tests)
    async with Transport() as transport:
        for place, one in enumerate(tests):
            if one.data is None:
                continue
            # Not the delivery's own bounce address: a test that bounces says nothing about the letter.
            outgoing = Outgoing(Envelope(inst.house.sender, tester.addr), one.data, one.delivery)
            try:
                told = await transport.send(outgoing, relay=inst.relay, intent=_Unmarked())
            except RelayError as error:
                return done, error
            done[place] = replace(one, result=_said(told))
    return done, None


def _said(told: Outcome) -> str:
    return told.kind if told.reply is None or told.kind == "accepted" else f"{told.kind}: {told.reply}"


def _accepted(done: Iterable[_Test]) -> int:
    return sum(one.result == "accepted" for one in done)


def _record(inst: Installation, ua: str, done: Sequence[_Test]) -> None:
    with inst.db.scope() as session:
        rehearsing.record(
            session,
            finding.action(session, ua),
            sent=_accepted(done),
            failed=len(done) - _accepted(done),
            relay=inst.relay.name,
            now=db.now(session),
            actor=actor(),
        )
