"""The command line as a person uses it: a verb in a process of its own, or quickly in this one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from uamail.cli.app import app
from uamail.errors import UamailError

UAMAIL = Path(sys.executable).with_name("uamail")


@dataclass(frozen=True)
class Said:
    """What a verb left behind: its exit code and its two outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document: anything beside it is an error."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """One person at a home; `settings` are environment variables on top of a clean environment."""

    home: Path
    operator: str = "Ada Office"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a shell of this person has: nothing of uamail from outside, wide lines so that no word is cut."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith("UAMAIL_")}
        own = {"UAMAIL_HOME": str(self.home), "UAMAIL_OPERATOR": self.operator, "COLUMNS": "300"}
        return {**plain, **own, **self.settings}

    def copied(self, folder: Path) -> "Desk":
        """The same home once more in a folder, for a test that changes it."""
        return replace(self, home=shutil.copytree(self.home, folder / "home"))

    def run(self, *words: str | Path | int, seconds: float = 600, given: str | None = None) -> Said:
        """The installed command, in its own process; `given` is typed into it."""
        done = subprocess.run(
            [UAMAIL, *map(str, words)],
            env=self.environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def quick(self, *words: str | Path | int, given: str | None = None) -> Said:
        """The same verb in this process, which saves the second that starting takes."""
        foreign = {key: None for key in os.environ if key.startswith("UAMAIL_")}
        env = {**foreign, **self.environment}
        done = CliRunner().invoke(app, [str(word) for word in words], env=env, input=given)
        if isinstance(done.exception, UamailError):
            return Said(done.exception.exit_code, done.stdout, f"{done.stderr}uamail: {done.exception}\n")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def ask(self, *words: str | Path | int) -> Any:
        """The JSON that a verb prints; fails the test with its error when it does not end well."""
        said = self.quick(*words, "--json")
        assert said.code == 0, f"uamail {' '.join(map(str, words))}: {said.code} {said.err}"
        return said.json
