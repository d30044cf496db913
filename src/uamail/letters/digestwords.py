"""The words of the daily digest: what waits for a person, in sections of lines with the command that is the remedy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uamail.letters.alertwords import alert_words
from uamail.letters.words import MailWords, mail_words


@dataclass(frozen=True)
class Section:
    """One kind of waiting: a heading, a line for each thing, and what to do."""

    heading: str
    lines: Sequence[str]
    remedy: str

    def plain(self) -> dict[str, Any]:
        return {"heading": self.heading, "lines": list(self.lines), "remedy": self.remedy}


def sections(waiting: Mapping[str, Any]) -> list[Section]:
    """The sections that have lines; `waiting` is what the query of that name gives as plain data."""
    made = (
        Section("Alerts that are open", [_alert(one) for one in waiting["alerts"]], "uamail alerts list"),
        Section(
            "Uncertain: sent, and no answer",
            [*_tally(waiting["uncertain"], "to {below}")],
            'Look in the relay\'s log, then uamail delivery resolve ID accepted --evidence "…"',
        ),
        Section(
            "Held, by reason", [*_tally(waiting["held"], "{below}")], "uamail delivery list --action UA --state held"
        ),
        Section(
            "Suppressed: the target's address is on the list",
            [*_tally(waiting["suppressed"], "to {below}")],
            "Another channel, a new address, or uamail suppression lift ADDRESS",
        ),
        Section(
            "Releases that wait for a second person",
            ["release {id}: UA {ua} by {channel}, {deliveries} letters".format_map(one) for one in waiting["releases"]],
            "uamail release approve ID --operator NAME",
        ),
        Section(
            "Batches that wait for somebody",
            ["{id}: UA {ua}, {state}, {pieces} letters".format_map(one) for one in waiting["batches"]],
            "uamail batch approve, uamail release UA --channel print, uamail batch printed, uamail batch posted",
        ),
        Section(
            "Addresses that letters come back from; nothing more is gathered for them",
            ["{address} of UA {ua}: {returns} letters came back".format_map(one) for one in waiting["suspects"]],
            "Correct the address in the action file, or uamail batch trust NAME",
        ),
        Section(
            "Rows in quarantine",
            ["{file}: {rows} rows".format_map(one) for one in waiting["quarantined"]],
            "Mend them, import them, and delete the file",
        ),
        Section(
            "Late: not done before the deadline",
            ["UA {action} to {target}: {pending} letters, {late}".format_map(one) for one in waiting["late"]],
            "uamail forecast UA shows the choices",
        ),
        Section(
            "Soon to be forgotten: the people of closed actions",
            ["UA {ua}: after {after}".format_map(one) for one in waiting["forgetting"]],
            "Fetch what you need (uamail audit export), or raise retention.people_days",
        ),
    )
    return [one for one in made if one.lines]


def _alert(one: Mapping[str, Any]) -> str:
    wrong = alert_words(one["cause"], key=one["key"], n=one["n"], detail=one["detail"]).wrong
    return f"{wrong} Since {one['since'][:16].replace('T', ' ')} UTC."


def _tally(tally: Mapping[str, Mapping[str, int]], words: str) -> Iterator[str]:
    for ua, below in tally.items():
        for name, n in below.items():
            yield f"UA {ua}: {n} {words.replace('{below}', name)}"


def digest_mail(day: str, waiting: Mapping[str, Any], *, templates_dir: Path | None = None) -> MailWords:
    """The mail of a day's digest. Raises InputError when a template is wrong."""
    found = sections(waiting)
    facts = {"day": day, "sections": [one.plain() for one in found], "total": sum(len(one.lines) for one in found)}
    return mail_words("mail/digest", facts, templates_dir=templates_dir)
