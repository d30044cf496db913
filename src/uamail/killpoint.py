"""Kill points: named moments at which a test stops a process, to kill it, or a server it talks to, exactly there.

`UAMAIL_KILL_AT=after-dot:3` lets the process stand still (SIGSTOP) when it comes to that moment for the third time;
whoever watches it kills what the test is about, or lets it go on (SIGCONT). Without the variable nothing ever happens.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from itertools import count

SWITCH = "UAMAIL_KILL_AT"
# What has happened at each of them, and what has not.
POINTS: Mapping[str, str] = {
    "before-lease": "nothing is claimed yet",
    "after-lease": "a chunk of letters is claimed and committed, none is written",
    "connected": "the relay has accepted a connection and greeted",
    "after-ehlo": "the relay has said what it offers",
    "after-rcpt": "MAIL, RCPT and DATA, which travel together, were granted; nothing is noted",
    "after-intent": "the letter is noted in the journal (or the rows); of its content nothing has left",
    "after-dot": "content, final dot and the next envelope have left in one piece: there is no moment inside of it",
    "after-reply": "the reply is read, and nowhere noted",
    "after-note": "the reply is in the journal",
    "before-outcome": "a chunk of results is about to be committed",
    "in-outcome": "it is in the transaction, which is not committed",
    "after-outcome": "it is committed, and the journal not yet told",
    "before-ack": "a lane's token is done, and the broker not yet told",
    "before-nudge": "a tick is committed, and its nudges not yet sent",
    "after-rescue": "what a dead process had in hand is settled, and its journal still there",
}

_watch: Callable[[str], None] | None = None


def killpoint(name: str) -> None:
    """One of POINTS is reached."""
    if _watch is not None:
        _watch(name)


def arm(watch: Callable[[str], None] | None) -> None:
    """Call `watch` with the name of every point that is reached from now on; None: nobody."""
    global _watch  # noqa: PLW0603 - a test's switch: one per process, as what it stops is
    _watch = watch


def halt(wanted: str) -> Callable[[str], None] | None:
    """A watch that stops this process at `name:n`, its n-th hit; None for an empty word. Raises ValueError."""
    if not wanted:
        return None
    name, _, number = wanted.partition(":")
    nth, hits = int(number), count(1)
    if name not in POINTS or nth < 1:
        raise ValueError(f"{SWITCH}={wanted}: expected one of {', '.join(POINTS)}, a colon and a number")

    def watch(reached: str) -> None:
        if reached == name and next(hits) == nth:
            # To this thread: another one might be woken to stop the process, and this one run on meanwhile.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    return watch


arm(halt(os.environ.get(SWITCH, "")))
