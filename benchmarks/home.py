"""Homes to measure in: the demonstration action with one target and one channel, and made-up signed appeals."""

import csv
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from uamail import db, installation
from uamail.actions import loader
from uamail.actions.values import ActionFile
from uamail.importing.sample import HEADER
from uamail.importing.sample_people import PEOPLE, People
from uamail.models import Action, ActionRevision
from uamail.paths import CONFIG
from uamail.pipeline import importfile, publishing, routing

ACTOR = "benchmark"
# Printed letters alternate between them; a mail is always in the first, so that the peers' one template will do.
LANGUAGES = ("en", "zh-Hant")


def action(channel: str) -> ActionFile:
    """The demonstration action, cut down to its first target, one office and one channel."""
    whole = loader.load(CONFIG / "actions" / "demo.toml")
    return replace(whole, targets=(replace(whole.targets[0], channels=(channel,)),), offices=whole.offices[:1])


def empty(root: Path, channel: str, *, file: ActionFile | None = None) -> Path:
    """A home with the action published, or another one, and nothing imported."""
    inst = installation.create(root)
    file = file or action(channel)
    plain, sha256 = loader.plain(file), loader.fingerprint(file)
    with inst.db.scope() as session:
        publishing.publish(session, file, content=plain, sha256=sha256, now=db.now(session), actor=ACTOR)
    inst.close()
    return root


def filled(root: Path, channel: str, *, count: int) -> Path:
    """A home with `count` appeals imported, not yet routed."""
    empty(root, channel)
    signed = root.with_suffix(".csv")
    write_signatures(signed, count=count, mixed=channel == "print")
    take_in(root, signed)
    return root


def route(root: Path) -> None:
    """Make the deliveries of what was imported."""
    inst = installation.open_home(root)
    done = 1
    while done:
        with inst.db.scope() as session:
            done = routing.route(session, keys=inst.keys, now=db.now(session), actor=ACTOR)
    inst.close()


def copy(root: Path, to: Path) -> Path:
    """A copy to use up; the database must be closed."""
    return Path(shutil.copytree(root, to))


def names(count: int) -> Iterator[str]:
    """Made-up names in ASCII, each different, so that no two letters are the same."""
    ones = ("Ada", "Bela", "Cleo", "Dora", "Emil", "Fritz", "Greta", "Hugo")
    return (f"{ones[number % len(ones)]} Example {_word(number)}" for number in range(count))


def scripted(count: int) -> Iterator[str]:
    """Names for letters, no two the same: every second one in ASCII, the others in all scripts of the sample."""
    foreign = [people for people in PEOPLE.values() if people.script != "Latn"]
    for number, plain in enumerate(names(count)):
        if number % 2 == 0:
            yield plain
            continue
        turn, people = divmod(number // 2, len(foreign))
        yield _composed(foreign[people], turn)


def _composed(people: People, turn: int) -> str:
    """Two given names and one family name: 1,728 of a script, and then a numeral."""
    given, family = people.given, people.family
    joined = "" if people.pattern == "{family}{given}" else " "
    words = joined.join((given[turn % len(given)], given[turn // len(given) % len(given)]))
    again = turn // (len(given) ** 2 * len(family))
    name = people.pattern.format(given=words, family=family[turn // len(given) ** 2 % len(family)])
    return f"{name} {again + 1}" if again else name


def _word(number: int) -> str:
    return "".join(chr(ord("a") + number // 26**place % 26) for place in (2, 1, 0)).capitalize()


def write_signatures(path: Path, *, count: int, mixed: bool) -> None:
    """Signed model letters without a wish for a receipt: one appeal is one delivery and nothing else."""
    signed_at = datetime.now(UTC).replace(microsecond=0).isoformat()
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, HEADER)
        out.writeheader()
        for number, name in enumerate(scripted(count) if mixed else names(count)):
            row = dict.fromkeys(HEADER, "")
            row |= {"external_id": f"B-{number}", "name": name, "email": f"signer.{number}@post.example"}
            row |= {"country": "GB", "language": LANGUAGES[number % 2 if mixed else 0], "disclosure": "name"}
            row |= {"consent": "yes", "contact": "no", "reply": "no", "signed_at": signed_at}
            out.writerow(row)


def take_in(root: Path, signed: Path) -> int:
    """Import a file as `uamail appeals import` does, without the progress bar; returns the new appeals."""
    inst = installation.open_home(root)
    importer = importfile.Importer(
        scope=inst.db.scope,
        clock=db.now,
        keys=inst.keys,
        quarantine_dir=inst.home.quarantine,
        chunk=inst.settings.intake.chunk,
        language=inst.settings.intake.default_language,
        actor=ACTOR,
    )
    source = importfile.look(signed, profile_name="generic", encoding=None, delimiter=None)
    with inst.db.scope() as session:
        found = session.execute(select(Action)).scalar_one()
        revision_id = session.execute(select(ActionRevision.id)).scalar_one()
    report = importer.read(source, found, revision_id)
    inst.close()
    return report.new
