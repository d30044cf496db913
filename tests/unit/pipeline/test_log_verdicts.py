"""What a relay's log proves about an uncertain letter, and what it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uamail.mail.logtime import Span
from uamail.mail.maillog import Trace
from uamail.pipeline.reconciling import REASONS, Case, Finding, Rules, judge

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CASE = Case(
    delivery_id=7,
    attempt_id=70,
    number=2,
    message_id="<7@ua.example>",
    relay="main",
    began=NOW,
    ended=NOW + MINUTE,
    others=frozenset({"EARLIER1"}),
)
RULES = Rules(relay="main", margin=10 * MINUTE)
REQUEUE = replace(RULES, requeue=True)
COVERED = (Span(NOW - 60 * MINUTE, NOW + 60 * MINUTE, own=3),)


def trace(queue_id: str = "4bKx2Q0v7L", **changes: Any) -> Trace:
    """A mail that the queue manager had, unless said otherwise."""
    values = {"seen_at": NOW, "queued_at": NOW, **changes}
    return Trace(message_id=CASE.message_id, queue_id=queue_id, **values)


def ended(status: str, dsn: str | None = None, text: str | None = None, **changes: Any) -> Trace:
    return trace(status=status, status_at=NOW + MINUTE, dsn=dsn, text=text, **changes)


def said(*traces: Trace, rules: Rules = REQUEUE, spans: tuple[Span, ...] = COVERED) -> tuple[str, str]:
    found = judge(CASE, traces, spans, rules=rules)
    return found.to, found.why


PROOFS = [
    ("queued", [trace()], ("accepted", "taken")),
    ("sent", [ended("sent", "2.0.0")], ("accepted", "taken")),
    ("waiting at the relay", [ended("deferred", "4.4.1")], ("accepted", "taken")),
    ("bounced", [ended("bounced", "5.1.1")], ("bounced", "bounced")),
    ("given up", [ended("expired")], ("bounced", "bounced")),
    ("refused", [ended("rejected", "5.7.1", queued_at=None)], ("refused", "refused")),
    ("put off", [ended("rejected", "4.7.1", queued_at=None)], ("queued", "deferred")),
    ("put off, then taken", [ended("rejected", "4.7.1", queued_at=None), trace("NEXT001")], ("accepted", "taken")),
    (
        "bounced behind a filter",
        [
            ended("sent", text="250 2.0.0 Ok: queued as BEHIND1"),
            ended("bounced", "5.1.1", queue_id="BEHIND1"),
        ],
        ("bounced", "bounced"),
    ),
    (
        "waiting behind a filter",
        [ended("sent", text="250 2.0.0 Ok: queued as BEHIND1"), trace("BEHIND1")],
        ("accepted", "taken"),
    ),
    ("bounced in an earlier try", [ended("bounced", "5.1.1", queue_id="EARLIER1")], ("queued", "missing")),
    ("not there", [], ("queued", "missing")),
]


@pytest.mark.parametrize(("name", "traces", "expected"), PROOFS, ids=[one[0] for one in PROOFS])
def test_what_the_log_proves_is_done(name: str, traces: list[Trace], expected: tuple[str, str]) -> None:
    assert said(*traces) == expected


DOUBTS = [
    ("seen but not queued", trace(queued_at=None), "begun"),
    ("seen long before", trace(seen_at=NOW - 180 * MINUTE, queued_at=None), "begun"),
    ("queued long before", trace(seen_at=NOW - 180 * MINUTE), "begun"),
    ("rejected without a code", ended("rejected", queued_at=None), "begun"),
    ("discarded", ended("discarded", queued_at=None), "discarded"),
    ("deleted from the queue", ended("deleted"), "discarded"),
]


@pytest.mark.parametrize(("name", "one", "why"), DOUBTS, ids=[doubt[0] for doubt in DOUBTS])
def test_doubtful_letter_is_never_sent_again(name: str, one: Trace, why: str) -> None:
    assert said(one) == ("uncertain", why)


HOLES: list[tuple[str, tuple[Span, ...]]] = [
    ("no log", ()),
    ("begins too late", (Span(NOW - 9 * MINUTE, NOW + 60 * MINUTE, 1),)),
    ("ends too early", (Span(NOW - 60 * MINUTE, NOW + 10 * MINUTE, 1),)),
    ("a hole at the time", (Span(NOW - 60 * MINUTE, NOW, 1), Span(NOW + MINUTE, NOW + 60 * MINUTE, 1))),
    ("knows no mail of ours", (Span(NOW - 60 * MINUTE, NOW + 60 * MINUTE, 0),)),
]


@pytest.mark.parametrize(("name", "spans"), HOLES, ids=[hole[0] for hole in HOLES])
def test_log_that_could_miss_it_proves_nothing(name: str, spans: tuple[Span, ...]) -> None:
    assert said(spans=spans) == ("uncertain", "uncovered")


@pytest.mark.parametrize("dsn", ["5.7.1", "4.7.1"])
def test_refusal_of_an_earlier_try_settles_no_later_one(dsn: str) -> None:
    refusal = ended("rejected", dsn, queued_at=None)
    first = replace(CASE, number=1)

    assert said(refusal, spans=()) == ("uncertain", "uncovered")
    assert judge(first, [refusal], (), rules=REQUEUE).to == ("refused" if dsn[0] == "5" else "queued")


def test_log_just_long_enough_proves_absence() -> None:
    spans = (Span(NOW - 10 * MINUTE, NOW + 11 * MINUTE, 1),)

    assert said(spans=spans) == ("queued", "missing")


def test_log_of_another_relay_proves_nothing() -> None:
    assert said(rules=replace(REQUEUE, relay="second")) == ("uncertain", "elsewhere")
    assert said(trace(), rules=replace(REQUEUE, relay="second")) == ("accepted", "taken")


@pytest.mark.parametrize("traces", [[], [ended("rejected", "4.7.1", queued_at=None)]])
def test_nothing_goes_again_unless_it_is_set(traces: list[Trace]) -> None:
    assert said(*traces, rules=RULES)[0] == "uncertain"


def test_every_reason_is_explained() -> None:
    stays = {why for _, _, why in DOUBTS} | {"uncovered", "elsewhere", "missing", "deferred"}

    assert all(REASONS[why][1] for why in stays)
    assert stays | {"taken", "bounced", "refused"} == set(REASONS)


def test_finding_names_the_passage_it_rests_on() -> None:
    first, last = ended("deferred", "4.4.1"), ended("sent", "2.0.0", queue_id="LATER01")

    assert judge(CASE, [first, last], COVERED, rules=RULES) == Finding(
        case=CASE, to="accepted", why="taken", trace=last
    )
