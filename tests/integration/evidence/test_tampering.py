"""Somebody with full access to the database changes the record: each way is found, and the first bad entry is named."""
# ruff: noqa: S608 - the statements are made of this file's own words

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.integration.evidence.conftest import Log
from tests.support.notary import ring, seed
from uamail.errors import LedgerError
from uamail.ledger.checkpoint import Checkpoint, sign
from uamail.ledger.nodes import grow
from uamail.ledger.tree import Frontier, leaf_hash, root
from uamail.pipeline import sequencing
from uamail.queries.verifying import Verified, verified


def verify(log: Log, *, held: Sequence[Checkpoint] | None = None, key: Ed25519PrivateKey | None = None) -> Verified:
    """As `uamail audit verify` does it: against the database's checkpoints and the one kept outside."""
    guarded = log.inst.guarded() if held is None else held
    with log.inst.db.reading() as session:
        return verified(session, keys=ring(key) if key else log.inst.log_keys, held=guarded)


@dataclass
class Hand:
    """A hand in the database, past triggers and foreign keys."""

    session: Session
    log: Log

    def do(self, statement: str, **values: Any) -> None:
        self.session.execute(text(statement), values)

    def one(self, statement: str, **values: Any) -> Any:
        return self.session.execute(text(statement), values).one()

    def event_of(self, seq: int) -> int:
        id: int = self.one("SELECT event_id FROM audit_leaf WHERE id = :seq", seq=seq)[0]
        return id

    def body(self, seq: int) -> bytes:
        return bytes(self.one("SELECT body FROM audit_event WHERE id = :id", id=self.event_of(seq))[0])

    def write(self, seq: int, body: bytes) -> None:
        self.do("UPDATE audit_event SET body = :body WHERE id = :id", body=body, id=self.event_of(seq))

    def size(self) -> int:
        return int(self.one("SELECT count(*) FROM audit_leaf")[0])

    def leaves(self) -> list[bytes]:
        rows = self.session.execute(text("SELECT leaf_hash FROM audit_leaf ORDER BY id"))
        return [bytes(row[0]) for row in rows]

    def regrow(self) -> None:
        """Make the kept subtrees fit the leaves again."""
        self.do("DELETE FROM audit_node")
        for number, (level, position, value) in enumerate(grow(Frontier(), self.leaves()), start=1):
            self.do(
                "INSERT INTO audit_node (id, level, position, hash) VALUES (:n, :level, :at, :value)",
                n=number,
                level=level,
                at=position,
                value=value,
            )

    def rewrite(self, seq: int) -> None:
        """Another story in place of an entry, with everything below the checkpoints made to fit."""
        body = self.body(seq).replace(b'"why":"no. ', b'"why":"No. ')
        assert body != self.body(seq)
        self.write(seq, body)
        self.do("UPDATE audit_leaf SET leaf_hash = :leaf WHERE id = :seq", leaf=leaf_hash(body), seq=seq)
        self.regrow()

    def resign(self, key: Ed25519PrivateKey) -> None:
        """Sign all checkpoints anew over what the leaves are now."""
        leaves, origin = self.leaves(), self.log.inst.settings.audit.origin
        for id, size in self.session.execute(text("SELECT id, size FROM audit_checkpoint")).all():
            made = Checkpoint(origin, size, root(leaves[:size]))
            note = sign(made, key, name=origin)
            statement = "UPDATE audit_checkpoint SET root = :root, note = :note WHERE id = :id"
            self.do(statement, root=made.root, note=note, id=id)


@contextmanager
def hand(log: Log) -> Iterator[Hand]:
    # A foreign program that has the file: no foreign keys there, and no triggers when they were dropped.
    engine = create_engine(log.inst.db.url)
    with Session(engine) as session, session.begin():
        if log.inst.db.is_sqlite:
            triggers = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in triggers:
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        yield Hand(session, log)
    engine.dispose()


# Entries that the fixture makes: 0 is the action, 50 lies under the second checkpoint only, 141 is the last but few.
FIRST, MIDDLE = 0, 60


def plain(hand: Hand, *, start: int = 10, end: int | None = None) -> int:
    """The first entry from `start` that covers nothing and has a typed reason."""
    return next(seq for seq in range(start, end or hand.size()) if b"relay:paused" in hand.body(seq))


def single(hand: Hand) -> int:
    """The first entry about one accepted letter."""
    return next(seq for seq in range(hand.size()) if b"delivery:accepted" in hand.body(seq))


def covering(hand: Hand) -> int:
    """The first entry that covers a set."""
    return next(seq for seq in range(hand.size()) if b'"set":' in hand.body(seq))


def edit(seq: Callable[[Hand], int]) -> Callable[[Hand], int]:
    def change(hand: Hand) -> int:
        at = seq(hand)
        body = hand.body(at)
        hand.write(at, body.replace(b'"v":1', b'"v":2'))
        return at

    return change


def drop(seq: Callable[[Hand], int], *, leaf: bool = True, event: bool = True) -> Callable[[Hand], int]:
    def change(hand: Hand) -> int:
        at = seq(hand)
        id = hand.event_of(at)
        if leaf:
            hand.do("DELETE FROM audit_leaf WHERE id = :at", at=at)
        if event:
            hand.do("DELETE FROM audit_span WHERE event_id = :id", id=id)
            hand.do("DELETE FROM audit_event WHERE id = :id", id=id)
        return at

    return change


def last(hand: Hand) -> int:
    return hand.size() - 1


def code_changed(hand: Hand) -> int:
    at = single(hand)
    hand.write(at, hand.body(at).replace(b'"code":250', b'"code":550'))
    return at


def spelled_anew(hand: Hand) -> int:
    at = MIDDLE
    hand.write(at, json.dumps(json.loads(hand.body(at)), indent=1).encode())
    return at


def emptied(hand: Hand) -> int:
    hand.write(MIDDLE, b"")
    return MIDDLE


def leaf_changed(hand: Hand) -> int:
    hand.do("UPDATE audit_leaf SET leaf_hash = :leaf WHERE id = :at", leaf=leaf_hash(b"x"), at=MIDDLE)
    return MIDDLE


def bodies_swapped(hand: Hand) -> int:
    one, other = hand.body(MIDDLE), hand.body(MIDDLE + 1)
    hand.write(MIDDLE, other)
    hand.write(MIDDLE + 1, one)
    return MIDDLE


def leaves_swapped(hand: Hand) -> int:
    for old, new in ((MIDDLE, 999_999), (MIDDLE + 1, MIDDLE), (999_999, MIDDLE + 1)):
        hand.do("UPDATE audit_leaf SET id = :new WHERE id = :old", new=new, old=old)
    hand.regrow()
    # Both entries still fit their hashes: what names them is the checkpoint, from the last one that holds.
    return hand.log.given[0].size


def event_ids_swapped(hand: Hand) -> int:
    one, other = hand.event_of(MIDDLE), hand.event_of(MIDDLE + 1)
    for seq, id in ((MIDDLE, -1), (MIDDLE + 1, one), (MIDDLE, other)):
        if hand.log.inst.db.is_sqlite or id != -1:
            hand.do("UPDATE audit_leaf SET event_id = :id WHERE id = :seq", id=id, seq=seq)
        else:
            hand.do("UPDATE audit_leaf SET event_id = :id WHERE id = :seq", id=id, seq=seq)
    return MIDDLE


def inserted(hand: Hand) -> int:
    """An entry put in between, the later ones moved on."""
    body = hand.body(MIDDLE).replace(b'"why":"', b'"why":"forged ')
    hand.do("INSERT INTO audit_event (id, type, at, body) SELECT 900000, type, at, :body FROM audit_event "
            "WHERE id = :id", body=body, id=hand.event_of(MIDDLE))  # fmt: skip
    hand.do("UPDATE audit_leaf SET id = id + 500000 WHERE id >= :at", at=MIDDLE)
    hand.do("UPDATE audit_leaf SET id = id - 499999 WHERE id >= 500000")
    hand.do("INSERT INTO audit_leaf (id, event_id, leaf_hash) VALUES (:at, 900000, :leaf)", at=MIDDLE,
            leaf=leaf_hash(body))  # fmt: skip
    hand.regrow()
    return hand.log.given[0].size


def doubled(hand: Hand) -> int:
    end = hand.size()
    hand.do("INSERT INTO audit_event (id, type, at, body) SELECT 900000, type, at, body FROM audit_event "
            "WHERE id = :id", id=hand.event_of(end - 1))  # fmt: skip
    hand.do("INSERT INTO audit_leaf (id, event_id, leaf_hash) SELECT :at, 900000, leaf_hash FROM audit_leaf "
            "WHERE id = :last", at=end + 1, last=end - 1)  # fmt: skip
    return end


def before_the_first(hand: Hand) -> int:
    hand.do("UPDATE audit_leaf SET id = -1 WHERE id = 0")
    return 0


def truncated(hand: Hand) -> int:
    end = hand.size() - 20
    hand.do("DELETE FROM audit_leaf WHERE id >= :end", end=end)
    hand.regrow()
    return end


def rolled_back(hand: Hand) -> int:
    """What restoring a backup of the time of the second checkpoint does."""
    size = hand.log.given[1].size
    hand.do("DELETE FROM audit_checkpoint WHERE size > :size", size=size)
    hand.do("DELETE FROM audit_span WHERE event_id IN (SELECT event_id FROM audit_leaf WHERE id >= :size)", size=size)
    hand.do("CREATE TEMPORARY TABLE gone AS SELECT event_id FROM audit_leaf WHERE id >= :size", size=size)
    hand.do("DELETE FROM audit_leaf WHERE id >= :size", size=size)
    hand.do("DELETE FROM audit_event WHERE id IN (SELECT event_id FROM gone)")
    hand.do("DROP TABLE gone")
    hand.regrow()
    return size


def rewritten(hand: Hand) -> int:
    hand.rewrite(plain(hand, start=MIDDLE))
    return hand.log.given[0].size


def rewritten_early(hand: Hand) -> int:
    hand.rewrite(plain(hand))
    return 0


def forked(hand: Hand) -> int:
    """By somebody who has the signing key as well: only what was given away still tells."""
    hand.rewrite(plain(hand))
    hand.resign(seed(hand.log.inst.log_keys))
    return 0


def keys_swapped(hand: Hand) -> None:
    hand.rewrite(plain(hand))
    hand.resign(Ed25519PrivateKey.generate())


def root_changed(hand: Hand) -> None:
    hand.do("UPDATE audit_checkpoint SET root = :root WHERE size = :n", root=bytes(32), n=hand.log.given[1].size)


def note_changed(hand: Hand) -> None:
    size = hand.log.given[1].size
    old, new = f"\n{size}\n", f"\n{size + 1}\n"
    hand.do("UPDATE audit_checkpoint SET note = replace(note, :old, :new) WHERE size = :n", old=old, new=new, n=size)


def size_changed(hand: Hand) -> None:
    hand.do("UPDATE audit_checkpoint SET size = size + 1 WHERE size = :n", n=hand.log.given[0].size)


def checkpoint_deleted(hand: Hand) -> None:
    hand.do("DELETE FROM audit_checkpoint WHERE size = :n", n=hand.log.given[2].size)


def subtree_changed(hand: Hand) -> int:
    hand.do("UPDATE audit_node SET hash = :hash WHERE level = 6 AND position = 1", hash=bytes(32))
    return 64


def subtree_deleted(hand: Hand) -> int:
    hand.do("DELETE FROM audit_node WHERE level = 6 AND position = 1")
    return 64


def subtree_added(hand: Hand) -> int:
    hand.do("INSERT INTO audit_node (id, level, position, hash) VALUES (900000, 12, 7, :hash)", hash=bytes(32))
    return 7 << 12


def member_changed(hand: Hand) -> int:
    at = covering(hand)
    hand.do("UPDATE audit_span SET last_id = last_id + 1 WHERE event_id = :id", id=hand.event_of(at))
    return at


def member_removed(hand: Hand) -> int:
    at = single(hand)
    hand.do("DELETE FROM audit_span WHERE event_id = :id", id=hand.event_of(at))
    return at


def member_added(hand: Hand) -> int:
    at = single(hand)
    hand.do("INSERT INTO audit_span (id, event_id, subject, first_id, last_id) VALUES (900000, :id, 'delivery', 1, 1)",
            id=hand.event_of(at))  # fmt: skip
    return at


def member_of_nothing(hand: Hand) -> int:
    at = plain(hand)
    hand.do("INSERT INTO audit_span (id, event_id, subject, first_id, last_id) VALUES (900000, :id, 'delivery', 1, 1)",
            id=hand.event_of(at))  # fmt: skip
    return at


def subject_changed(hand: Hand) -> int:
    at = single(hand)
    hand.do("UPDATE audit_span SET subject = 'attempt' WHERE event_id = :id", id=hand.event_of(at))
    return at


def letter_changed(hand: Hand) -> int:
    """The story of one letter handed to another."""
    at = single(hand)
    hand.do("UPDATE audit_span SET first_id = 7777, last_id = 7777 WHERE event_id = :id", id=hand.event_of(at))
    return at


def type_changed(hand: Hand) -> int:
    at = single(hand)
    hand.do("UPDATE audit_event SET type = 'delivery:bounced' WHERE id = :id", id=hand.event_of(at))
    return at


def clock_changed(hand: Hand) -> int:
    minute = "datetime(at, '-1 minute')" if hand.log.inst.db.is_sqlite else "at - interval '1 minute'"
    hand.do(f"UPDATE audit_event SET at = {minute} WHERE id = :id", id=hand.event_of(MIDDLE))
    return MIDDLE


def clock_changed_inside(hand: Hand) -> int:
    hand.write(MIDDLE, hand.body(MIDDLE).replace(b'"at":"2026', b'"at":"2025'))
    return MIDDLE


NAMED: dict[str, Callable[[Hand], int]] = {
    "first entry edited": edit(lambda _: FIRST),
    "middle entry edited": edit(lambda _: MIDDLE),
    "last entry edited": edit(last),
    "reply code edited": code_changed,
    "entry spelled anew": spelled_anew,
    "entry emptied": emptied,
    "leaf hash edited": leaf_changed,
    "first entry deleted": drop(lambda _: FIRST),
    "middle entry deleted": drop(lambda _: MIDDLE),
    "last entry deleted": drop(last),
    "event deleted, leaf left": drop(lambda _: MIDDLE, leaf=False),
    "leaf deleted, event left": drop(lambda _: MIDDLE, event=False),
    "entries swapped": bodies_swapped,
    "places swapped": leaves_swapped,
    "events of two leaves swapped": event_ids_swapped,
    "entry inserted": inserted,
    "entry doubled after a gap": doubled,
    "entry before the first": before_the_first,
    "log truncated": truncated,
    "database rolled back": rolled_back,
    "entry rewritten with its hashes": rewritten,
    "early entry rewritten with its hashes": rewritten_early,
    "log forked with the signing key": forked,
    "kept subtree changed": subtree_changed,
    "kept subtree deleted": subtree_deleted,
    "kept subtree added": subtree_added,
    "member list changed": member_changed,
    "member removed": member_removed,
    "member added": member_added,
    "member given to an event of none": member_of_nothing,
    "subject of members changed": subject_changed,
    "letter exchanged": letter_changed,
    "type beside the entry changed": type_changed,
    "clock beside the entry changed": clock_changed,
    "clock inside the entry changed": clock_changed_inside,
}
# No entry is bad, but what vouches for them is.
UNVOUCHED: dict[str, tuple[Callable[[Hand], None], str]] = {
    "signing key swapped": (keys_swapped, "is not signed by"),
    "root beside the note changed": (root_changed, "its row does not say what is signed"),
    "note changed": (note_changed, "does not hold"),
    "size beside the note changed": (size_changed, "its row does not say what is signed"),
    "newest checkpoint deleted": (checkpoint_deleted, "was given away and is not kept any more"),
}


def test_untouched_record_holds(recorded: Log) -> None:
    found = verify(recorded)

    assert (found.report.ok, found.report.problem) == (True, None)
    assert (found.report.size, found.signed, found.unsequenced) == (recorded.given[-1].size, 4, 0)
    assert found.report.size > 128


@pytest.mark.parametrize("kind_of_tampering", NAMED)
def test_first_bad_entry_is_named(recorded: Log, kind_of_tampering: str) -> None:
    with hand(recorded) as one:
        at = NAMED[kind_of_tampering](one)

    found = verify(recorded)

    assert not found.report.ok
    assert (found.report.first_bad, bool(found.report.problem)) == (at, True), found.report.problem


@pytest.mark.parametrize("kind_of_tampering", UNVOUCHED)
def test_broken_voucher_is_named(recorded: Log, kind_of_tampering: str) -> None:
    change, words = UNVOUCHED[kind_of_tampering]
    with hand(recorded) as one:
        change(one)

    found = verify(recorded)

    assert not found.report.ok
    assert words in str(found.report.problem)


def test_swapped_key_of_the_home_is_found(recorded: Log) -> None:
    auditor_has = seed(recorded.inst.log_keys)
    foreign = Ed25519PrivateKey.generate()
    with hand(recorded) as one:
        one.rewrite(plain(one))
        one.resign(foreign)

    assert verify(recorded, held=(), key=foreign).report.ok
    assert not verify(recorded, held=(), key=auditor_has).report.ok


def test_fork_shows_in_one_old_receipt(recorded: Log) -> None:
    with hand(recorded) as one:
        forked(one)
    oldest = recorded.given[0]

    assert verify(recorded, held=()).report.ok
    assert verify(recorded, held=[oldest]).report.first_bad == 0
    assert "forked" in str(verify(recorded, held=[oldest]).report.problem)


@pytest.mark.parametrize("change", [forked, rewritten, rewritten_early])
def test_nothing_is_signed_after_tampering(recorded: Log, change: Callable[[Hand], int]) -> None:
    with hand(recorded) as one:
        change(one)

    with recorded.inst.db.scope() as session, pytest.raises(LedgerError, match="nothing is added or signed"):
        sequencing.sequence(session, Frontier(), signed=recorded.inst.guarded())


def test_forged_guard_is_refused(recorded: Log) -> None:
    [path] = recorded.inst.guards
    path.write_text(path.read_text().replace("\n" + str(recorded.given[-1].size) + "\n", "\n1\n"))

    with pytest.raises(LedgerError, match="does not hold"):
        recorded.inst.guarded()
