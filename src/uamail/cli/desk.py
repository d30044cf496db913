"""What every verb shares: its options, the open home, how results and progress are shown, who is acting."""

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from uamail.errors import InputError
from uamail.installation import Installation, open_home
from uamail.settings import default_home

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="UAMAIL_HOME", help="The home directory.", default_factory=default_home)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes onto the record.")]
# What the database can hold; a longer number is no id of anything.
LARGEST = 2**63 - 1
Id = Annotated[int, typer.Argument(min=0, max=LARGEST)]
AfterOption = Annotated[int, typer.Option(help="Start after this id.", max=LARGEST)]
LimitOption = Annotated[int, typer.Option(help="At most so many.", min=0, max=LARGEST)]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")]

# Where no terminal says how wide it is (a file, a pipe), a table line stays one line.
_PIPE_WIDTH = 140

out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PIPE_WIDTH)


@contextmanager
def opened(home: Path, *, pacing: bool = True) -> Iterator[Installation]:
    """The installation of a home, closed again afterwards."""
    inst = open_home(home, pacing=pacing)
    try:
        yield inst
    finally:
        inst.close()


def actor() -> str:
    """Who is acting: UAMAIL_OPERATOR, else the login name."""
    return os.environ.get("UAMAIL_OPERATOR") or getpass.getuser()


def show(data: Any, as_json: bool, *tables: Callable[[], Table | str]) -> None:
    """Print the data as one JSON document, or as tables and lines for people."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
        return
    for make in tables:
        out.print(make())


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; numbers are set to the right."""
    # A title may be wider than a narrow table: it is one line all the same.
    heading = Text(title, no_wrap=True, overflow="ignore")
    made = Table(title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for place, column in enumerate(columns):
        numbers = rows and all(isinstance(row[place], int | float) or row[place] is None for row in rows)
        made.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made


@contextmanager
def progress(words: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; the callable sets how much is done."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    with bar:
        task = bar.add_task(words, total=max(total, 1))
        yield lambda done: bar.update(task, completed=done)


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask back before something that cannot be undone."""
    return yes or typer.confirm(question, err=True)


def text_of(path: Path) -> str:
    """A text file from outside. Raises InputError when it is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text in UTF-8") from error
