"""The broker of the settings, and what every actor of this process shares."""

import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import dramatiq
import structlog
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO, Middleware

from uamail.errors import UamailError
from uamail.installation import Installation, open_home
from uamail.settings import default_home

# Logs are facts with ids, one JSON line each, on standard error: standard output belongs to results.
structlog.configure(
    processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
    logger_factory=structlog.PrintLoggerFactory(sys.stderr),
)

# Set when the process is asked to stop: actors finish what they hold and begin nothing new.
stopping = threading.Event()


class Stopping(UamailError):
    """The worker was asked to stop; what it had in hand goes back to the queue."""


class Stop(Middleware):
    """Tells the actors when the worker is asked to stop; nothing is interrupted in the middle of a message."""

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        stopping.set()


@cache
def installation() -> Installation:
    """The home this process works for: UAMAIL_HOME."""
    pacing = os.environ.get("UAMAIL_NO_PACING", "") != "1"
    return open_home(Path(default_home()), pacing=pacing)


def make(url: str) -> dramatiq.Broker:
    """The broker of a URL. Messages carry ids only and are nudges: no retries, no results, no delays."""
    middleware: list[Any] = [AsyncIO(), Stop()]
    if url == "embedded":
        broker: dramatiq.Broker = StubBroker(middleware=middleware)
    elif url.startswith("redis"):
        from dramatiq.brokers.redis import RedisBroker

        broker = RedisBroker(url=url, middleware=middleware)  # type: ignore[no-untyped-call]
    else:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker

        # Without confirms a killed RabbitMQ lost 3,615 of 20,000 messages.
        broker = RabbitmqBroker(url=url, middleware=middleware, confirm_delivery=True)
    return broker


def worker_name() -> str:
    """Who is at work, for attempts and events: no host name in it."""
    return f"worker-{os.getpid()}"


# An embedded process has its own broker whatever the settings say: the rows coordinate.
_embedded = os.environ.get("UAMAIL_EMBEDDED") == "1"
broker = make("embedded" if _embedded else installation().settings.broker.url)
dramatiq.set_broker(broker)
