"""Two installations that write to each other, and to a robot, fall silent by themselves."""

import os
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.databases import Templates
from tests.support.world import World, mail_only, result
from uamail import installation
from uamail.mail.incoming import maildir
from uamail.mail.incoming.message import parse, value
from uamail.mail.sink import SinkThread
from uamail.models import Incoming, Lane
from uamail.models.delivery import LETTERS
from uamail.pipeline import bounces, confirmation, receipts, sending, writing
from uamail.pipeline.receipts import Notice
from uamail.pipeline.sending import Prepared
from uamail.pipeline.writing import Brief

ROUNDS = 6


@dataclass(frozen=True)
class Side:
    """One installation with a domain of its own, and its mail server's Maildir."""

    world: World
    domain: str

    def letters_to(self, other: str, n: int) -> None:
        """People whose addresses lead to the other side sign a letter to a target over there."""
        action = mail_only()
        targets = tuple(replace(one, email=(f"appeals@{other}",)) for one in action.targets[:1])
        self.world.publish(replace(action, targets=targets))
        for number in range(n):
            self.world.letters(1, email=f"appeals+{number}@{other}")

    def send(self, port: int) -> int:
        """Send everything that is due over the server; returns how many mails went out."""
        with self.world.scope() as session:
            confirmation.confirm(session, keys=self.world.inst.keys, **self.world.when)
            lanes = list(session.execute(select(Lane.key).order_by(Lane.id)).scalars())
        return sum(self._lane(lane, port) for lane in lanes)

    def _lane(self, lane: str, port: int) -> int:
        world = self.world
        claims = world.claim(lane)
        letters = [one.delivery_id for one in claims if one.kind in LETTERS]
        others = [one.delivery_id for one in claims if one.kind not in LETTERS]
        with world.inst.db.reading() as session:
            found: list[Brief | Notice] = [*writing.briefs(session, letters), *receipts.notices(session, others)]
        sources = {one.delivery_id: one for one in found}
        house, now = world.inst.house, world.now
        made = [sending.prepared(one, sources[one.delivery_id], house=house, relay="main", now=now) for one in claims]
        ready = [one for one in made if isinstance(one, Prepared)]
        assert len(ready) == len(made)
        for one in ready:
            world.begin(one.claim)
            with smtplib.SMTP("127.0.0.1", port) as client:
                envelope = one.outgoing.envelope
                client.sendmail(envelope.sender, [envelope.recipient], one.outgoing.data)
            world.finish(result(one.claim, "accepted", "250 2.0.0 ok"))
        return len(ready)

    def read(self, box: Path) -> None:
        """Take in what the server has for this domain, as a worker does."""
        inst = self.world.inst
        terms = replace(inst.bounce_terms, full_wait=timedelta(seconds=1))
        for item in maildir.unread(box):
            if value(parse(item.data), "Delivered-To").endswith(f"@{self.domain}"):
                one = bounces.arrived(item.data, source="maildir", keys=inst.keys)
                with self.world.scope() as session:
                    bounces.take(session, one, terms=terms, **self.world.when)
                item.done()
        with self.world.scope() as session:
            bounces.tend(session, terms=terms, **self.world.when)


@pytest.fixture
def sides(templates: Templates, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    made = [_side(templates, tmp_path / name, f"{name}.example") for name in ("a", "b")]
    yield made[0], made[1]
    for one in made:
        one.world.inst.close()


def _side(templates: Templates, root: Path, domain: str) -> Side:
    root.mkdir(mode=0o700)
    templates.copy("sqlite", root)
    (root / "uamail.toml").write_text(f'[mail]\ndomain = "{domain}"\n')
    before = os.umask(0o077)
    inst = installation.create(root)
    os.umask(before)
    return Side(World(inst), domain)


def robot(box: Path, port: int) -> None:
    """A mailbox that answers everything, politely marked, and one that bounces everything to its sender."""
    for name in os.listdir(box / "cur"):
        message = parse((box / "cur" / name).read_bytes())
        back = value(message, "Return-Path").strip("<>")
        if not back or value(message, "Auto-Submitted"):
            continue
        head = f"To: {back}\r\nAuto-Submitted: auto-replied\r\n"
        away = f"From: office@b.example\r\n{head}Subject: Automatic reply\r\n\r\nAway.\r\n"
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("", [back], away.encode())


@pytest.mark.parametrize("with_robot", [False, True])
def test_two_installations_fall_silent(sides: tuple[Side, Side], tmp_path: Path, with_robot: bool) -> None:
    box = tmp_path / "box"
    one, other = sides
    one.letters_to(other.domain, 3)
    other.letters_to(one.domain, 3)
    sent = []
    with SinkThread(maildir=box) as sink:
        for _ in range(ROUNDS):
            sent.append(one.send(sink.port) + other.send(sink.port))
            if with_robot:
                robot(box, sink.port)
            for side in sides:
                side.world.later(hours=1)
                side.read(box)

    assert sent[0] == 6, "three letters on each side"
    assert sum(sent) <= 18, sent
    assert sent[-3:] == [0, 0, 0], sent
    assert [name for name in os.listdir(box / "new")] == []
    for side in sides:
        assert side.world.count(select(Incoming)) >= 6


def test_own_mail_that_comes_home_is_ignored(sides: tuple[Side, Side], tmp_path: Path) -> None:
    one, _ = sides
    one.letters_to(one.domain, 2)
    sent = []
    with SinkThread(maildir=tmp_path / "box") as sink:
        for _ in range(4):
            sent.append(one.send(sink.port))
            one.read(tmp_path / "box")

    assert sent[0] == 2
    assert sent[-2:] == [0, 0], sent
