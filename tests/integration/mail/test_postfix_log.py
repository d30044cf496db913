"""The log of a real Postfix is understood: every end that a mail can come to, with long and short queue ids."""

import smtplib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import postfix, processes
from uamail.installation import own_zone
from uamail.mail import logfile
from uamail.mail.maillog import Trace, Watch
from uamail.mail.sink import SinkThread

CHECKS = "/^Subject: refuse/ REJECT no\n/^Subject: hold/ HOLD\n/^Subject: discard/ DISCARD\n"
# Message-ID's local part: subject, recipient's domain, and what its log must say in the end.
MAILS = {
    "sent": ("hello", "gov.example", ("sent", True)),
    "bounced": ("hello", "nowhere.test", ("bounced", True)),
    "deferred": ("hello", "closed.test", ("deferred", True)),
    "refused": ("refuse", "gov.example", ("rejected", False)),
    "held": ("hold", "gov.example", (None, True)),
    "discarded": ("discard", "gov.example", ("discarded", False)),
}


@pytest.fixture(scope="module", params=["no", "yes"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The log after one mail of each kind."""
    checks = tmp_path_factory.mktemp("checks") / "header"
    checks.write_text(CHECKS)
    changes = {"header_checks": f"regexp:{checks}", "transport_maps": "inline:{closed.test=smtp:[127.0.0.1]:1}"}
    with postfix.running(**changes, enable_long_queue_ids=request.param) as relay:
        for name, (subject, domain, _) in MAILS.items():
            _send(relay.port, f"<{name}@ua.example>", subject, f"p@{domain}")
        processes.until(lambda: "status=deferred" in relay.said() and "status=bounced" in relay.said(), 20)
        processes.until(lambda: "status=sent" in relay.said(), 20)
        yield relay.log


def _send(port: int, message_id: str, subject: str, to: str) -> None:
    text = f"Message-ID: {message_id}\r\nSubject: {subject}\r\n\r\nx\r\n"
    expected = (smtplib.SMTPDataError,) if subject == "refuse" else ()
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as one, suppress(*expected):
        one.sendmail("b@ua.example", [to], text.encode())


def test_every_end_of_a_mail_is_understood(log: Path) -> None:
    found = logfile.look(log)
    assert found is not None
    watch = Watch({f"<{name}@ua.example>" for name in MAILS}, own="ua.example", zone=own_zone(), until=found.written)

    for lines, _ in logfile.lines(found):
        watch.read(lines)

    traces = {one.message_id: one for one in watch.traces}
    assert {name: _end(traces[f"<{name}@ua.example>"]) for name in MAILS} == {
        name: end for name, (_, _, end) in MAILS.items()
    }
    assert traces["<refused@ua.example>"].dsn == "5.7.1"
    assert "@" not in "".join(one.text or "" for one in traces.values())
    (span,) = watch.spans
    assert abs((datetime.now(UTC) - span.last).total_seconds()) < 120


def _end(trace: Trace) -> tuple[str | None, bool]:
    return trace.status, trace.queued_at is not None


def test_passage_to_the_next_server_is_told() -> None:
    with SinkThread() as sink, postfix.running(**postfix.onward(sink.port)) as relay:
        _send(relay.port, "<on@ua.example>", "hello", "p@gov.example")
        processes.until(lambda: "removed" in relay.said(), 20)
        watch = Watch({"<on@ua.example>"}, own="ua.example", zone=own_zone(), until=datetime.now(UTC))
        watch.read(relay.said().encode().splitlines())

        assert [mail.message_id for mail in sink.received] == ["<on@ua.example>"]

    (trace,) = watch.traces
    assert (trace.status, trace.dsn, trace.closed) == ("sent", "2.0.0", True)
