"""The words of alerts: one sentence that says what is wrong, and the command that is the remedy. They name nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uamail.errors import InputError
from uamail.letters.words import MailWords, mail_words


@dataclass(frozen=True)
class AlertWords:
    """What is wrong, what to do about it, and what is said when it is over; {key}, {n}, {detail} are filled in."""

    wrong: str
    remedy: str
    over: str


_TOLD: Mapping[str, AlertWords] = {
    "relay": AlertWords(
        "Relay {key} refuses us and rests; the mail that needs it waits.",
        "Look at the relay's own log, and whether login, certificate and address are right. uamail works on by itself; "
        "uamail stop relay {key} keeps it from trying.",
        "Relay {key} works again.",
    ),
    "content": AlertWords(
        "Action {key} is stopped: a mail server refused what its letters say ({n} held).",
        "Look at uamail delivery list --action {key} --state held; when the letter is right: "
        "uamail start action {key}, then uamail delivery unhold ID.",
        "Action {key} is no longer stopped over its content.",
    ),
    "late": AlertWords(
        "Before their deadline these will not be done: {detail} ({n}).",
        "uamail forecast UA shows by how much, and what can be done about it.",
        "Everything will be done before its deadline again.",
    ),
    "stalled_log": AlertWords(
        "The evidence log stands still: {n} events wait for their place in it.",
        "Look at the workers' log, and run uamail audit verify; when it holds, start the workers again.",
        "The evidence log moves again.",
    ),
    "stuck_lane": AlertWords(
        "{n} lanes have mail that is due and nobody works at them: {detail}.",
        "Are the workers and the broker running? Restart the service, or run uamail work; nothing is lost.",
        "Every lane is worked at again.",
    ),
    "uncertain": AlertWords(
        "{n} letters are uncertain: they went out and no answer came (such as {detail}).",
        'Look for them in the relay\'s log, then uamail delivery resolve ID accepted --evidence "…" (or not-sent). '
        "uamail delivery list --state uncertain shows all.",
        "No letter is uncertain any more.",
    ),
    "poison": AlertWords(
        "{n} letters are held because workers died over them (such as {detail}).",
        "Find out why in the workers' log, then uamail delivery unhold ID. uamail delivery show ID has the attempts.",
        "No letter is held as poison any more.",
    ),
    "batch_stuck": AlertWords(
        "{n} batches cannot be laid out ({detail}).",
        "uamail batch show NAME says what was found; mend it, then uamail batch again NAME.",
        "No batch is stuck any more.",
    ),
    "restored": AlertWords(
        "The database is older than what was signed from here: {n} events of the log are missing. No worker starts.",
        "Restore a newer backup. docs/operators.md, “Backup, and after a restore”, says what to do when there is none.",
        "The database is as new as the log again.",
    ),
    "test": AlertWords(
        "This is a test: whoever reads it would have been told.",
        "Nothing. When it should not have come to you, change [staff] in uamail.toml.",
        "The test is over.",
    ),
    "disk": AlertWords(
        "The disk of the home is nearly full: {n} % are free.",
        "Make room, or move the home to a larger disk. Without space nothing can be recorded, so nothing is sent.",
        "The disk of the home has room again.",
    ),
}


def alert_words(cause: str, *, key: str, n: int, detail: str) -> AlertWords:
    """The words of an alert. Raises InputError for a cause that has none."""
    if cause not in _TOLD:
        raise InputError(f"cause {cause!r}: must be one of {', '.join(_TOLD)}")
    told = _TOLD[cause]
    # By hand, not by format(): a key may hold braces.
    return AlertWords(*(_filled(text, key, n, detail) for text in (told.wrong, told.remedy, told.over)))


def _filled(text: str, key: str, n: int, detail: str) -> str:
    return text.replace("{n}", str(n)).replace("{detail}", detail).replace("{key}", key)


def alert_mail(facts: Mapping[str, Any], *, templates_dir: Path | None = None) -> MailWords:
    """The mail of an alert; `facts` are kind, cause, wrong, remedy, over, since, until and n."""
    return mail_words("mail/alert", facts, templates_dir=templates_dir)
