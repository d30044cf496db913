"""Lines of a Postfix log, in every shape they come in, and what they say about a mail of ours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from uamail.mail.logtime import Span, joined, moment
from uamail.mail.maillog import Trace, Watch

ID = "<0123456789abcdef0123456789abcdef01234567@ua.example>"
OTHER = "<76543210fedcba9876543210fedcba9876543210@ua.example>"
UNTIL = datetime(2026, 3, 2, 12, tzinfo=UTC)
LONG = "4bKx2Q0v7Lz9rtM"


def at(clock: str) -> str:
    return f"Mar  2 {clock} mx1"


def taken(id: str = LONG, *, name: str = ID, clock: str = "09:00:01", who: str = "postfix") -> list[str]:
    return [
        f"{at(clock)} {who}/smtpd[80]: {id}: client=sender.example[192.0.2.9]",
        f"{at(clock)} {who}/cleanup[81]: {id}: message-id={name}",
        f"{at(clock)} {who}/qmgr[82]: {id}: from=<b-x-y@ua.example>, size=8123, nrcpt=1 (queue active)",
    ]


def told(said: str, *, agent: str = "postfix/smtp", id: str = LONG, clock: str = "09:00:03") -> str:
    ways = "relay=mx.gov.example[198.51.100.7]:25, delay=1.2, delays=0/0/1/0.2"
    return f"{at(clock)} {agent}[90]: {id}: to=<president@gov.example>, {ways}, {said}"


def removed(id: str = LONG) -> str:
    return f"{at('09:00:04')} postfix/qmgr[82]: {id}: removed"


def read(*lines: str, wanted: tuple[str, ...] = (ID, OTHER), known: tuple[Trace, ...] = ()) -> Watch:
    watch = Watch(set(wanted), own="ua.example", zone=UTC, until=UNTIL, known=known)
    watch.read(line.encode("utf-8", "surrogateescape") for line in lines)
    return watch


def one(*lines: str) -> Trace:
    (trace,) = read(*lines).traces
    return trace


def end(trace: Trace) -> tuple[str | None, str | None, bool]:
    return trace.status, trace.dsn, trace.queued_at is not None


SENT = "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9C1F2)"
SHAPES = [
    ("sent by smtp", told(SENT), "sent", "2.0.0"),
    ("sent by lmtp", told("dsn=2.1.5, status=sent (250 2.1.5 Ok)", agent="postfix/lmtp"), "sent", "2.1.5"),
    (
        "by local",
        told("dsn=2.0.0, status=sent (delivered to mailbox)", agent="postfix/local"),
        "sent",
        "2.0.0",
    ),
    (
        "by virtual",
        told("dsn=2.0.0, status=sent (delivered to maildir)", agent="postfix/virtual"),
        "sent",
        "2.0.0",
    ),
    (
        "by pipe",
        told("dsn=2.0.0, status=sent (delivered via archive service)", agent="postfix/pipe"),
        "sent",
        "2.0.0",
    ),
    ("by the relay transport", told(SENT, agent="postfix/relay/smtp"), "sent", "2.0.0"),
    ("by another instance", told(SENT, agent="postfix-out/smtp"), "sent", "2.0.0"),
    ("by an instance of another name", told(SENT, agent="mx-out/smtp"), "sent", "2.0.0"),
    (
        "without brackets",
        told("dsn=2.0.0, status=sent"),
        "sent",
        "2.0.0",
    ),
    (
        "deferred",
        told("dsn=4.4.1, status=deferred (connect to mx.gov.example[198.51.100.7]:25: Connection timed out)"),
        "deferred",
        "4.4.1",
    ),
    (
        "bounced",
        told("dsn=5.1.1, status=bounced (host mx.gov.example said: 550 5.1.1 no such user)"),
        "bounced",
        "5.1.1",
    ),
    (
        "bounced by error",
        told("dsn=5.1.2, status=bounced (mail for gov.example loops back)", agent="postfix/error"),
        "bounced",
        "5.1.2",
    ),
    (
        "put off by retry",
        told("dsn=4.7.0, status=deferred (delivery temporarily suspended)", agent="postfix/retry"),
        "deferred",
        "4.7.0",
    ),
    (
        "expired",
        f"{at('09:09:09')} postfix/qmgr[82]: {LONG}: from=<b@ua.example>, status=expired, returned to sender",
        "expired",
        None,
    ),
    (
        "force-expired",
        f"{at('09:09:09')} postfix/qmgr[82]: {LONG}: from=<b@ua.example>, status=force-expired, returned to sender",
        "expired",
        None,
    ),
    ("deleted by hand", f"{at('09:09:09')} postfix/postsuper[7]: {LONG}: removed", "deleted", None),
    ("only queued", f"{at('09:09:09')} postfix/qmgr[82]: {LONG}: skipped, still being delivered", None, None),
    (
        "a probe is no delivery",
        told("dsn=2.1.5, status=deliverable (250 2.1.5 Ok)"),
        None,
        None,
    ),
]


@pytest.mark.parametrize(("name", "line", "status", "dsn"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_line_after_queueing_tells_the_end(name: str, line: str, status: str | None, dsn: str | None) -> None:
    trace = one(*taken(), line)

    assert end(trace) == (status, dsn, True)
    assert (trace.message_id, trace.queue_id) == (ID, LONG)


BEFORE = [
    (
        "milter",
        "postfix/cleanup",
        "milter-reject: END-OF-MESSAGE from sender.example[192.0.2.9]: 5.7.1 spam; from=<b@ua.example>",
        "rejected",
        "5.7.1",
    ),
    (
        "milter for now",
        "postfix/cleanup",
        "milter-reject: END-OF-MESSAGE from sender.example[192.0.2.9]: 4.7.1 try later; from=<b@ua.example>",
        "rejected",
        "4.7.1",
    ),
    (
        "header check",
        "postfix/cleanup",
        "reject: header Subject: Hello 4.2.1 from sender.example; from=<b@ua.example>: 5.7.1 content rejected",
        "rejected",
        "5.7.1",
    ),
    (
        "end of data restriction",
        "postfix/smtpd",
        "reject: END-OF-MESSAGE from sender.example: 554 5.7.1 <END-OF-MESSAGE>: no; from=<b@ua.example>",
        "rejected",
        "5.7.1",
    ),
    ("discarded", "postfix/cleanup", "discard: header Subject: Hello from sender.example; to=<p@x>", "discarded", None),
    ("milter discards", "postfix/cleanup", "milter-discard: END-OF-MESSAGE from sender.example", "discarded", None),
    ("warning", "postfix/cleanup", "warning: header Subject: Hello from sender.example", None, None),
]


@pytest.mark.parametrize(("name", "daemon", "said", "status", "dsn"), BEFORE, ids=[shape[0] for shape in BEFORE])
def test_refusal_after_the_text_was_never_queued(
    name: str, daemon: str, said: str, status: str | None, dsn: str | None
) -> None:
    trace = one(*taken()[:2], f"{at('09:00:02')} {daemon}[81]: {LONG}: {said}")

    assert end(trace) == (status, dsn, False)


@pytest.mark.parametrize("word", ["hold", "milter-hold"])
def test_mail_on_hold_is_taken(word: str) -> None:
    trace = one(*taken()[:2], f"{at('09:00:02')} postfix/cleanup[81]: {LONG}: {word}: header Subject: x from y")

    assert trace.queued_at == datetime(2026, 3, 2, 9, 0, 2, tzinfo=UTC)


def test_begun_mail_is_not_yet_taken() -> None:
    trace = one(*taken()[:2])

    assert (trace.queued_at, trace.status, trace.closed) == (None, None, False)
    assert trace.seen_at == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("id", ["4F1A2", "9C1F27AB3D", "3B2g7T1nYzVq", LONG])
def test_short_and_long_queue_ids_are_known(id: str) -> None:
    trace = one(*taken(id), told(SENT, id=id), removed(id))

    assert (trace.queue_id, trace.status, trace.closed) == (id, "sent", True)


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-02T09:00:01.123456+00:00",
        "2026-03-02T09:00:01Z",
        "2026-03-02T10:00:01+01:00",
        "2026-03-02T04:00:01-0500",
        "Mar  2 09:00:01",
        "<22>Mar  2 09:00:01",
        "<22>1 2026-03-02T09:00:01Z",
    ],
)
def test_every_form_of_stamp_is_read(stamp: str) -> None:
    trace = one(f"{stamp} mx1 postfix/cleanup[81]: {LONG}: message-id={ID}")

    assert trace.seen_at.replace(microsecond=0) == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)


def test_solaris_tag_is_skipped() -> None:
    trace = one(f"{at('09:00:01')} postfix/cleanup[81]: [ID 197553 mail.info] {LONG}: message-id={ID}")

    assert trace.queue_id == LONG


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (b"Dec 31 23:59:59 ", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"Mar  3 11:00:00 ", datetime(2025, 3, 3, 11, tzinfo=UTC)),
        (b"Mar  2 12:00:00 ", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        (b"Feb 30 12:00:00 ", None),
        (b"Feb 29 12:00:00 ", None),
        (b"Foo 12 12:00:00 ", None),
        (b"2026-13-02T09:00:01Z ", None),
        (b"no time at all", None),
        (b"", None),
    ],
)
def test_year_is_the_latest_that_fits(stamp: bytes, expected: datetime | None) -> None:
    assert moment(stamp, zone=UTC, until=UNTIL) == expected


def test_stamp_without_zone_is_local() -> None:
    zurich = ZoneInfo("Europe/Zurich")

    assert moment(b"Jan  5 10:00:00 x", zone=zurich, until=UNTIL) == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert moment(b"Jul  5 10:00:00 x", zone=zurich, until=UNTIL) == datetime(2025, 7, 5, 8, tzinfo=UTC)


def test_deferred_mail_may_be_sent_later() -> None:
    trace = one(*taken(), told("dsn=4.4.1, status=deferred (timed out)"), told(SENT, clock="09:40:00"))

    assert trace.status == "sent"
    assert trace.status_at == datetime(2026, 3, 2, 9, 40, tzinfo=UTC)


def test_copy_to_an_archive_does_not_hide_delivery() -> None:
    trace = one(*taken(), told(SENT), told("dsn=5.2.2, status=bounced (archive full)"))

    assert trace.status == "sent"


def test_other_mail_is_not_kept() -> None:
    watch = read(*taken("AAAAA1", name="<news@shop.example>"), told(SENT, id="AAAAA1"), *taken())

    assert [trace.queue_id for trace in watch.traces] == [LONG]


def test_reused_queue_id_is_another_mail() -> None:
    watch = read(*taken("4F1A2"), *taken("4F1A2", name=OTHER, clock="09:10:00"), told(SENT, id="4F1A2"))

    first, second = watch.traces
    assert (first.message_id, first.status, first.closed) == (ID, None, True)
    assert (second.message_id, second.status) == (OTHER, "sent")


def test_queue_id_is_free_after_removal() -> None:
    watch = read(*taken("4F1A2"), told(SENT, id="4F1A2"), removed("4F1A2"), told("dsn=5.0.0, status=bounced (x)"))

    (trace,) = watch.traces
    assert (trace.status, trace.closed) == ("sent", True)


def test_filter_gives_a_second_passage() -> None:
    watch = read(*taken("AAAAA1"), told(SENT, id="AAAAA1"), *taken("9C1F2"), told(SENT, id="9C1F2"))

    assert {trace.queue_id for trace in watch.traces} == {"AAAAA1", "9C1F2"}


def test_known_passage_is_taken_up_again() -> None:
    (before,) = read(*taken()).traces

    (after,) = read(told(SENT), known=(before,)).traces

    assert (after.status, after.queued_at) == ("sent", before.queued_at)


def test_text_names_nobody() -> None:
    trace = one(
        *taken(), told("dsn=5.1.1, status=bounced (host mx said: 550 5.1.1 <president@gov.example>: unknown (RCPT))")
    )

    assert trace.text is not None
    assert "@" not in trace.text
    assert "unknown" in trace.text


GARBAGE = [
    "",
    "\x00\x01\x02",
    "Mar  2 09:00:01",
    "Mar  2 09:00:01 mx1 kernel: [12345.678]: usb",
    "]: ]: ]: : :",
    f"{at('09:00:01')} postfix/cleanup[81]: {LONG}: message-id=",
    f"{at('09:00:01')} postfix/cleanup[81]: {LONG}: message-id=<>",
    f"{at('09:00:01')} postfix/cleanup[81]: {LONG}: resent-message-id={ID}",
    f"{at('09:00:01')} postfix/cleanup[81]: : message-id={ID}",
    f"{at('09:00:01')} postfix/cleanup[81]: ../../x: message-id={ID}",
    f"{at('09:00:01')} myfilter[81]: {LONG}: message-id={ID}",
    f"postfix/cleanup[81]: {LONG}: message-id={ID}",
    f"{at('09:00:01')} postfix/smtpd[8]: NOQUEUE: reject: RCPT from x: 550 5.1.1 no; to=<a@gov.example>",
    f"{at('09:00:01')} postfix/smtpd[8]: warning: ]: {LONG}: message-id={ID}",
    "\udcff\udcfe half a char\udce2",
]


@pytest.mark.parametrize("line", GARBAGE)
def test_garbage_says_nothing(line: str) -> None:
    assert read(line, wanted=(ID,)).traces == []


@pytest.mark.parametrize("line", GARBAGE[:5])
def test_garbage_between_lines_is_passed_over(line: str) -> None:
    first, second, third = taken()

    trace = one(first, line, second, line, third, line, told(SENT), line)

    assert trace.status == "sent"


def test_span_reaches_from_first_to_last_line() -> None:
    watch = read("garbage", *taken(), "more of it", told(SENT, clock="09:45:12"), "and more")

    (span,) = watch.spans
    assert span == Span(datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC), datetime(2026, 3, 2, 9, 45, 12, tzinfo=UTC), own=1)


def test_long_silence_is_a_hole() -> None:
    watch = read(*taken(), *taken("AAAAA1", name=OTHER, clock="11:30:00"))

    assert [span.own for span in watch.spans] == [1, 1]


def test_clock_set_back_is_a_hole() -> None:
    watch = read("Mar  2 09:00:00 mx1 x", "Jan  1 00:00:03 mx1 x", "Mar  2 09:00:05 mx1 x")

    assert len(watch.spans) == 3


def test_foreign_message_ids_are_not_our_own() -> None:
    watch = read(*taken(name="<20260302.1@ua.example>"), *taken("AAAAA1", name="<x@shop.example>"))

    assert [span.own for span in watch.spans] == [0]


@pytest.mark.parametrize(("gap", "expected"), [(0, 1), (60, 1), (61, 2), (-600, 1)])
def test_files_join_only_without_a_seam(gap: int, expected: int) -> None:
    first = Span(UNTIL - timedelta(hours=2), UNTIL, 1)
    second = Span(UNTIL + timedelta(seconds=gap), UNTIL + timedelta(hours=1), 2)

    spans = joined([second, first])

    assert len(spans) == expected
    assert sum(span.own for span in spans) == 3
