"""Mail end to end: our worker with its claims, markers and record, beside mailmerge and a plain loop."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import home, worker
from benchmarks.figure import Figure, compared, shares
from benchmarks.race import race
from benchmarks.receiver import arrived, receiver
from benchmarks.size import Size
from benchmarks.words import SENDER, Words, words, write_list

_OURS = "uamail"
_STAGES = (
    "routing and record",
    "claim and read",
    "letters",
    "journal",
    "SMTP",
    "outcome",
    "queue and the rest",
)
_TEMPLATE = """\
TO: {recipient_name} <{{{{ email }}}}>
SUBJECT: {subject}
FROM: {{{{ name }}}} <{sender}>
REPLY-TO: {reply_to}
CONTENT-LANGUAGE: en
MIME-VERSION: 1.0
"""
_TWO_PARTS = """\
CONTENT-TYPE: multipart/alternative; boundary="=_parts"

--=_parts
Content-Type: text/plain; charset="utf-8"

{text}
--=_parts
Content-Type: text/html; charset="utf-8"

{html}
--=_parts--
"""
_ONE_PART = """\
CONTENT-TYPE: text/plain; charset="utf-8"

{text}
"""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Mails per second: from the start of the process to its end, and between the first and the last arrival."""

    whole: float
    steady: float


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Raises BenchmarkError when a contestant's mails did not all arrive."""
    wording = words()
    full = home.filled(folder / "home", "mail", count=size.mails)
    write_peers(folder, wording, size.mails)
    numbers = count(1)

    def once(command: Callable[[int], float]) -> Sent:
        log = folder / f"arrived-{next(numbers)}.jsonl"
        with receiver(log) as port:
            seconds = command(port)
        came = arrived(log)
        came.require(size.mails, wording.recipient)
        tell(f"  {came.mails} mails of {came.mean_bytes:,.0f} bytes in {seconds:.2f} s")
        return Sent(whole=size.mails / seconds, steady=(size.mails - 1) / came.seconds)

    def ours(port: int) -> float:
        return worker.run(home.copy(full, folder / f"home-{next(numbers)}"), port=port)

    commands: dict[str, Callable[[int], float]] = {
        _OURS: ours,
        "mailmerge": partial(mailmerge, folder, "template.txt"),
        "mailmerge, text only": partial(mailmerge, folder, "text.txt"),
        "EmailMessage + smtplib": partial(loop, folder),
    }
    results = race({name: partial(once, command) for name, command in commands.items()}, runs=runs, tell=tell)
    figures = [_figure(f"mail, {label}", results, attribute) for attribute, label in _LABELS.items()]
    tell("one more run with a stopwatch at each stage")
    return figures + _stages(folder, full, size.mails)


_LABELS = {"whole": "process start to end", "steady": "first to last arrival"}


def _figure(name: str, results: dict[str, list[Sent]], attribute: str) -> Figure:
    rates = {who: [getattr(one, attribute) for one in sent] for who, sent in results.items()}
    return compared(name, "mails/s", rates.pop(_OURS), rates)


def _stages(folder: Path, full: Path, mails: int) -> list[Figure]:
    log = folder / "arrived-stages.jsonl"
    with receiver(log) as port:
        spent = worker.stages(home.copy(full, folder / "home-stages"), folder / "stages.json", port=port)
    milliseconds = {stage: spent["cpu"][stage] / mails * 1000 for stage in _STAGES}
    return shares("mail CPU", "ms/mail", milliseconds)


def write_peers(folder: Path, wording: Words, mails: int) -> None:
    """The peers' lists and templates: the same words to the same people as our own letters."""
    facts = {**asdict(wording), "sender": SENDER}
    write_list(folder / "list.csv", count=mails, recipient=wording.recipient)
    (folder / "words.json").write_text(json.dumps(facts), encoding="utf-8")
    for name, body in (("template.txt", _TWO_PARTS), ("text.txt", _ONE_PART)):
        (folder / name).write_text((_TEMPLATE + body).format(**facts), encoding="utf-8")


def mailmerge(folder: Path, template: str, port: int) -> float:
    """Seconds its command line takes; nothing of its output is shown, and no rate limit is set."""
    config = folder / f"server-{port}.conf"
    config.write_text(f"[smtp_server]\nhost = 127.0.0.1\nport = {port}\n", encoding="utf-8")
    options = ["--no-dry-run", "--no-limit", "--output-format", "text", "--database", "list.csv"]
    program = Path(sys.executable).with_name("mailmerge")
    return worker.timed([str(program), *options, "--template", template, "--config", config.name], cwd=folder)


def loop(folder: Path, port: int) -> float:
    """Seconds the plain loop takes."""
    return worker.timed([sys.executable, "-m", "benchmarks.loop", str(folder), str(port)])
