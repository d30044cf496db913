"""The relays: each is dialled, greeted and logged in to as for a letter, and may be given a test mail."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime

from uamail.doctor.finding import Finding
from uamail.errors import RelayError, SettingError
from uamail.installation import Installation
from uamail.mail import identity
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.message import Mail, build
from uamail.mail.relay import Relay
from uamail.mail.reply import queue_id
from uamail.mail.transport import Transport

_TEXT = "This is a test of the way out. Nothing has to be done, and nothing was sent to anybody else."
_HTML = f"<!DOCTYPE html><html lang=en><head><title>Test</title></head><body><p>{_TEXT}</p></body></html>"


class _Unmarked:
    """No marker is kept: a test that is lost is made again."""

    async def begin(self, key: int) -> None:
        """Nothing to remember."""


def findings(inst: Installation, *, tester: str | None, now: datetime) -> Sequence[Finding]:
    """A finding for each relay, and one for its test mail when there is a `tester` (an address) to get it."""
    try:
        chosen = list(inst.relays.values())
    except SettingError as error:
        return [Finding("relays", "problem", str(error))]
    return asyncio.run(_all(inst, chosen, tester, now))


async def _all(inst: Installation, chosen: Sequence[Relay], tester: str | None, now: datetime) -> list[Finding]:
    found: list[Finding] = []
    async with Transport() as transport:
        for relay in chosen:
            met = await _met(transport, relay)
            found.append(met)
            if tester is not None and met.state in ("ok", "warning"):
                found.append(await _tested(transport, relay, inst, tester, now))
    return found


async def _met(transport: Transport, relay: Relay) -> Finding:
    what = f"relay {relay.name}"
    try:
        manners = await transport.meet(relay)
    except RelayError as error:
        return Finding(what, "problem", f"{error.stage}: {error.problem}")
    words = f"{relay.host}:{relay.port}, {manners.tls or 'in clear'}"
    if not manners.pipelining:
        return Finding(what, "warning", f"{words}; no PIPELINING: four round trips a letter instead of one")
    return Finding(what, "ok", words)


async def _tested(transport: Transport, relay: Relay, inst: Installation, tester: str, now: datetime) -> Finding:
    what = f"test mail by {relay.name}"
    try:
        data = build(_mail(inst, tester, now))
        signed = inst.signer.sign(data) if inst.signer else data
    except SettingError as error:
        return Finding(what, "problem", str(error))
    outgoing = Outgoing(Envelope(inst.house.sender, tester), signed, 0)
    try:
        told = await transport.send(outgoing, relay=relay, intent=_Unmarked())
    except RelayError as error:
        return Finding(what, "problem", f"{error.stage}: {error.problem}")
    if told.kind != "accepted" or told.reply is None:
        return Finding(what, "problem", f"{told.kind} at {told.stage}: {told.reply or told.error}")
    queued = queue_id(told.reply.text)
    return Finding(what, "ok", "accepted" + (f" as {queued}" if queued else "") + ": read its Authentication-Results")


def _mail(inst: Installation, tester: str, now: datetime) -> Mail:
    house = inst.house
    # A number that no delivery has: its Message-ID is that of no letter.
    name = identity.message_id(inst.keys.derive("doctor message-id"), secrets.randbits(62), domain=house.mail.domain)
    return Mail(
        sender=(house.mail.service_name, house.sender),
        to=("", tester),
        subject="uamail: test of a relay",
        text=_TEXT + "\n",
        html=_HTML,
        language="en",
        message_id=name,
        date=now,
        auto=True,
    )
