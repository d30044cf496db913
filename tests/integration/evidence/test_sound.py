"""The whole record in all processors: the same verdict as entry by entry, whatever was done to it."""

import os

import pytest

from tests.integration.evidence.conftest import Log, note
from tests.integration.evidence.test_tampering import NAMED, UNVOUCHED, hand, verify
from uamail.ledger.verify import Report
from uamail.pipeline import sequencing
from uamail.queries import sound
from uamail.queries.verifying import Verified

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor here")


def in_pieces(monkeypatch: pytest.MonkeyPatch, level: int = 6) -> list[Report | None]:
    """Let a short log be checked like a long one, in blocks of 2^level entries; what `sound` answers is kept."""
    answers: list[Report | None] = []
    plain = sound.sound

    def told(*words: object) -> Report | None:
        answers.append(plain(*words))  # type: ignore[arg-type]
        return answers[-1]

    monkeypatch.setattr(sound, "WORTH", 1)
    monkeypatch.setattr(sound, "_LEVEL", level)
    monkeypatch.setattr(sound, "_BLOCK", 1 << level)
    monkeypatch.setattr("uamail.queries.verifying.sound", told)
    return answers


@pytest.mark.parametrize("more", [0, 1, 30, 42, 106])
def test_sound_record_is_found_so_at_once(recorded: Log, monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    note(recorded.world, more)
    if more:
        recorded.sign()
    slowly = verify(recorded)
    answers = in_pieces(monkeypatch)

    assert verify(recorded) == slowly
    assert answers == [slowly.report]
    assert slowly.report.ok


def test_entries_behind_the_last_checkpoint_count(recorded: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    note(recorded.world, 70)
    with recorded.inst.log_db.scope() as session:
        sequencing.sequence(session, recorded.frontier)
    slowly = verify(recorded)
    answers = in_pieces(monkeypatch)

    assert verify(recorded) == slowly
    assert answers == [slowly.report]


@pytest.mark.parametrize("kind_of_tampering", [*NAMED, *UNVOUCHED])
def test_verdict_is_the_same(recorded: Log, monkeypatch: pytest.MonkeyPatch, kind_of_tampering: str) -> None:
    with hand(recorded) as one:
        (NAMED.get(kind_of_tampering) or UNVOUCHED[kind_of_tampering][0])(one)
    slowly: Verified = verify(recorded)
    answers = in_pieces(monkeypatch)

    assert not slowly.report.ok
    assert verify(recorded) == slowly
    assert set(answers) <= {None, Report(slowly.report.size, slowly.report.root)}
