"""A reader who types every command of some pages into one shell, in order, in an empty directory."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import docs_uamail
from tests.docs_pages import ROOT, Block, Command, blocks, commands

# The ports that the pages use, in the order of their mention; another program may have them, so free ones stand in.
PORTS = ("2525", "2526", "2527")
_MOST_SECONDS = 240


@dataclass(frozen=True)
class Ran:
    """A command as it ran."""

    command: Command
    code: int
    output: str


class Reader:
    """A working directory with `config` in it, as in a checkout, and `uamail` on the PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = directory / "work"
        self.work.mkdir()
        (self.work / "config").symlink_to(ROOT / "config")
        self._ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))

    def read(self, name: str, text: str) -> list[Ran]:
        """Run every command block of a page that is not marked; raises when the shell itself did not come through."""
        typed = [command for block in blocks(text) for command in _commands(block)]
        script = self.directory / f"{name}.sh"
        log = self.directory / f"{name}.log"
        steps = "".join(self._step(number, one) for number, one in enumerate(typed))
        # What the page started in the background ends with it.
        script.write_text(f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{steps}")
        with log.open("wb") as out:
            shell = subprocess.Popen(
                ["bash", str(script)],
                cwd=self.work,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                shell.wait(_MOST_SECONDS)
            except subprocess.TimeoutExpired:
                # It is not reaped, so the group is still its own.
                os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()
        return list(_ran(typed, log.read_text("utf-8")))

    def _step(self, number: int, command: Command) -> str:
        text = command.text
        for there, free in self._ports.items():
            text = re.sub(rf"\b{there}\b", free, text)
        port = re.search(r"smtp-sink --port (\d+)", text)
        waiting = f"{_wait(port[1])}\n" if port else ""
        return f"printf '\\036{number}\\037'\n{text}\n{waiting}printf '\\035%d\\036' $?\n"

    def _environment(self) -> dict[str, str]:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("UAMAIL_")}
        # Fontconfig's index of the fonts is the machine's: without it every renderer would read all fonts again.
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return {
            **plain,
            "PATH": f"{self.directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "XDG_CACHE_HOME": cache,
            "LOGNAME": "ana",
            "LANG": "C.UTF-8",
            "COLUMNS": "160",
            "UAMAIL_RELAYS__MAIN__PORT": self._ports["2525"],
            "UAMAIL_WORK__TICK_SECONDS": "0.1",
        }


@contextmanager
def reader(directory: Path) -> Iterator[Reader]:
    """A reader whose `uamail` starts at once."""
    made = Reader(directory)
    path = directory / "socket"
    (directory / "bin").mkdir()
    quick = directory / "bin" / "uamail"
    quick.write_text(docs_uamail.client(path))
    quick.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.docs_uamail", str(path)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "160"},
        start_new_session=True,
    )
    try:
        _until(path.exists, "the quick uamail")
        yield made
    finally:
        # It and what it forked, which may still be at work when a page took too long.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        shutil.rmtree(directory / "work", ignore_errors=True)


def _commands(block: Block) -> Iterator[Command]:
    if block.not_run is None and block.language == "console":
        yield from commands(block)


def _ran(typed: list[Command], log: str) -> Iterator[Ran]:
    found = {
        int(number): (output, int(code))
        for number, output, code in re.findall("\x1e(\\d+)\x1f(.*?)\x1d(\\d+)\x1e", log, re.DOTALL)
    }
    for number, command in enumerate(typed):
        assert number in found, f"the shell stopped at: {command.text}\n{log[-2000:]}"
        output, code = found[number]
        yield Ran(command, code, output)


def _free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait(port: str) -> str:
    """Shell words that wait until a port answers, at most half a minute."""
    probe = f"(: </dev/tcp/127.0.0.1/{port}) 2>/dev/null"
    return f"for _ in $(seq 300); do {probe} && break; sleep 0.1; done"


def _until(done: object, what: str) -> None:
    ends = time.monotonic() + 60
    assert callable(done)
    while not done():
        assert time.monotonic() < ends, f"{what} did not come up"
        time.sleep(0.02)
