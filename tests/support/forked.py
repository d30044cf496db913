"""Workers and relays forked from a process that has read everything in: as real as others, in a tenth of the time."""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.support import processes
from uamail import killpoint
from uamail.installation import Installation
from uamail.mail.faults import Faults, Plan

_fork = get_context("forkserver")
_fork.set_forkserver_preload(["tests.support.warm"])
_PLAIN: Mapping[str, str] = {}


class Forked(processes.Running):
    """One process that runs a function; what it prints goes to a file."""

    def __init__(self, log: Path, run: Callable[..., None], *args: Any) -> None:
        super().__init__(log)
        self._child = _fork.Process(target=_begin, args=(str(log), run, args))
        self._child.start()

    @property
    def pid(self) -> int:
        assert self._child.pid is not None
        return self._child.pid

    @property
    def code(self) -> int | None:
        return self._child.exitcode

    def join(self, seconds: float) -> None:
        self._child.join(seconds)


def worker(inst: Installation, port: int, *, until_idle: bool = True, env: Mapping[str, str] = _PLAIN) -> Forked:
    """As `processes.embedded`."""
    whole = processes.environment(inst, port, {"UAMAIL_EMBEDDED": "1", **env})
    return Forked(inst.home.root / "worker.log", _work, whole, ["--until-idle"] if until_idle else [])


def tally(inst: Installation, port: int, hits: Path, *, env: Mapping[str, str] = _PLAIN) -> Forked:
    """A worker until idle that writes down the kill points it reached, a line each."""
    whole = processes.environment(inst, port, {"UAMAIL_EMBEDDED": "1", **env})
    return Forked(inst.home.root / "worker.log", _work, whole, ["--until-idle"], str(hits))


def _begin(log: str, run: Callable[..., None], args: Iterable[Any]) -> None:
    os.setsid()
    # Whatever ends the tests ends this too (prctl(2), PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    run(*args)


def _work(env: Mapping[str, str], arguments: list[str], hits: str = "") -> None:
    from workers import embedded

    os.environ.clear()
    os.environ.update(env)
    killpoint.arm(_noting(hits) if hits else killpoint.halt(env.get(killpoint.SWITCH, "")))
    sys.argv = ["workers.embedded", *arguments]
    sys.exit(embedded.main())


def _noting(hits: str) -> Callable[[str], None]:
    file = os.open(hits, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(name: str) -> None:
        os.write(file, f"{name}\n".encode())

    return note


class Relay:
    """A misbehaving SMTP server in a process of its own; its mailbox is a file, and it returns to its port."""

    def __init__(self, folder: Path, faults: Plan = Faults()) -> None:  # noqa: B008 - frozen
        self._folder, self._faults = folder, faults
        self.port = 0
        self._child: Forked | None = None

    def start(self) -> None:
        """Listen, on the same port as before. Raises TimeoutError."""
        ours, theirs = _fork.Pipe(duplex=False)
        self._child = Forked(
            self._folder / "relay.log", _receive, theirs, self.port, self._folder / "arrived.jsonl", self._faults
        )
        theirs.close()
        if not ours.poll(30):
            raise TimeoutError(self._child.said())
        self.port = ours.recv()

    def kill(self) -> None:
        """SIGKILL; what it has acknowledged is in its file."""
        if self._child is not None:
            self._child.kill()

    def arrived(self) -> list[str]:
        """The Message-IDs in its mailbox, as often as they came."""
        with suppress(FileNotFoundError):
            lines = (self._folder / "arrived.jsonl").read_text().splitlines()
            return [json.loads(line)["message_id"] for line in lines]
        return []


def _receive(ready: Connection, port: int, log: Path, faults: Plan) -> None:
    from uamail.mail import sink

    asyncio.run(sink.serve(port=port, log=log, faults=faults, remember=False, ready=ready.send))
