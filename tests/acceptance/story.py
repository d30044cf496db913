"""The story of UA 61/21-2, played by the command line: signed in time, past the deadline, released all the same."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.acceptance.desk import Desk, Said
from tests.support import oracle
from uamail.importing import sample
from uamail.installation import Installation, open_home
from uamail.mail.sink import Received
from uamail.paths import CONFIG

UA = "61/21-2"
ACTION = CONFIG / "actions" / "ua-61-21-2.toml"
# Three days before the deadline: everybody signed in time, the office imports too late.
SIGNED = datetime(2022, 9, 20, 12, tzinfo=UTC)
REASON = "agreed with the office on the telephone"
PRESIDENT = "english@mail.gov.cn"
# Rows of the file that cannot be read.
BAD = 3

Row = dict[str, str]


@dataclass(frozen=True)
class Noon:
    """How things stand after a step."""

    status: dict[str, Any]
    arrived: int
    batches: list[dict[str, Any]]


@dataclass(frozen=True)
class Story:
    """What was done, what was said to it, and what arrived."""

    desk: Desk
    signatures: Path
    exports: Path
    received: Sequence[Received]
    imported: dict[str, Any]
    held: Noon
    idle: Noon
    refused: tuple[Said, ...]
    released: tuple[dict[str, Any], ...]
    printed: Noon
    resolved: dict[int, str]
    posted: Noon
    verified: dict[str, Any]

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The imported file by external id."""
        with self.signatures.open(encoding="utf-8", newline="") as file:
            return {row["external_id"]: row for row in csv.DictReader(file)}

    @cached_property
    def signers(self) -> dict[int, Row]:
        """What each appeal's signer wrote into the file, by the appeal's id."""
        appeals = self.desk.ask("appeals", "list", "--limit", 100_000)["appeals"]
        return {one["id"]: self.rows[one["external_id"]] for one in appeals}

    @cached_property
    def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.desk.ask("delivery", "list", "--limit", 100_000)["deliveries"]
        return found

    @property
    def arrivals(self) -> list[str]:
        return [one.message_id for one in self.received]

    def of(self, **wanted: Any) -> list[dict[str, Any]]:
        """The deliveries with these values."""
        return [one for one in self.deliveries if all(one[key] == value for key, value in wanted.items())]

    def explained(self, delivery: int) -> list[dict[str, Any]]:
        """What the record says of a delivery, without the looks that tests took at its words."""
        events = self.desk.ask("audit", "explain", delivery)["events"]
        return [event for event in events if event["type"] != "appeal:viewed"]

    def judged(self) -> oracle.Verdict:
        inst: Installation = open_home(self.desk.home)
        try:
            return oracle.judge(inst, self.arrivals)
        finally:
            inst.close()


def play(desk: Desk, folder: Path, received: Sequence[Received], work: Callable[[], None], *, signers: int) -> Story:
    """Everything from `uamail init` to the last receipt; `work` lets the workers do whatever is due."""
    signatures, exports = folder / "signatures.csv", folder / "exports"
    sample.write(signatures, count=signers, seed=61, now=SIGNED, bad=BAD)
    _well(desk.run("init"))
    _well(desk.run("action", "add", ACTION))
    imported = _well(desk.run("appeals", "import", signatures, "--action", UA, "--json")).json
    work()
    held = _noon(desk, received)
    work()
    idle = _noon(desk, received)
    refused = tuple(desk.run("release", UA, "--channel", channel, "--yes") for channel in ("mail", "print"))
    released = tuple(
        _well(desk.run("release", UA, "--channel", channel, "--reason", REASON, "--json")).json
        for channel in ("mail", "print")
    )
    work()
    resolved = _resolve(desk, received, work)
    printed = _noon(desk, received)
    _carry(desk, exports, [one["id"] for one in printed.batches])
    work()
    return Story(
        desk=desk,
        signatures=signatures,
        exports=exports,
        received=tuple(received),
        imported=imported,
        held=held,
        idle=idle,
        refused=refused,
        released=released,
        printed=printed,
        resolved=resolved,
        posted=_noon(desk, received),
        verified=_well(desk.run("audit", "verify", "--json")).json,
    )


def _well(said: Said) -> Said:
    assert said.code == 0, said.err
    return said


def _noon(desk: Desk, received: Sequence[Received]) -> Noon:
    (status,) = desk.ask("status", UA)["actions"]
    return Noon(status, len(received), desk.ask("batch", "list")["batches"])


def _resolve(desk: Desk, received: Sequence[Received], work: Callable[[], None]) -> dict[int, str]:
    """A person looks every uncertain letter up in the relay's log and settles it, until none is left.

    Returns the last verdict on each: what was not sent goes again, and may meet the next fault.
    """
    verdicts: dict[int, str] = {}
    while uncertain := desk.ask("delivery", "list", "--state", "uncertain", "--limit", 1000)["deliveries"]:
        arrived = {one.message_id for one in received}
        for one in uncertain:
            verdicts[one["id"]] = "accepted" if one["message_id"] in arrived else "not-sent"
            desk.ask("delivery", "resolve", one["id"], verdicts[one["id"]], "--evidence", "the relay's log")
        work()
    return verdicts


def _carry(desk: Desk, exports: Path, names: Sequence[str]) -> None:
    """Approve, hand to the print house, post."""
    for name in names:
        desk.ask("batch", "approve", name)
    for name in names:
        desk.ask("batch", "export", name, exports / name)
        desk.ask("batch", "printed", name)
        desk.ask("batch", "posted", name)
