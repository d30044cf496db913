"""Action files (TOML) read into values, every mistake named with file, key, value and remedy."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from uamail.actions import checks, consistency
from uamail.actions.record import fingerprint, from_plain, plain
from uamail.actions.table import Table, one_of
from uamail.actions.values import (
    CHANNELS,
    DISCLOSURES,
    KINDS,
    MAILINGS,
    MODES,
    REVIEWS,
    STATUSES,
    ActionFile,
    Address,
    Deadline,
    ModelLetter,
    Office,
    Subject,
    Target,
)
from uamail.errors import ActionFileError

__all__ = ["fingerprint", "from_plain", "load", "loads", "plain"]

_TOP = ("action", "office", "address", "target", "letter", "background")
_ACTION = (
    *("ua", "ordinal", "index", "country", "issued", "status", "closed_on", "closed_reason", "mode", "languages"),
    *("own_language", "previous", "title", "deadline", "subject"),
)
# tomllib tells the place in words only (until Python 3.14).
_PLACE = re.compile(r"(?P<problem>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")


def load(path: Path) -> ActionFile:
    """The action in a TOML file, UTF-8 with or without byte order mark.

    Raises ActionFileError for the first thing that is wrong; its key is dotted ("target[1].email[0]"), a line
    number for a TOML error and "file" when the file cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ActionFileError(
            str(path), "file", str(path), f"{error.strerror}; name a file that can be read"
        ) from error
    except UnicodeDecodeError as error:
        remedy = f"byte {error.start} is not UTF-8; save the file as UTF-8"
        raise ActionFileError(str(path), "file", str(path), remedy) from error
    return loads(text, file=str(path))


def loads(text: str, *, file: str) -> ActionFile:
    """The action in a TOML text; `file` is the name that errors show. Raises ActionFileError as `load` does."""
    try:
        data = tomllib.loads(text)
    # Beside TOMLDecodeError, tomllib lets these two through for endless numbers and endless nesting.
    except (ValueError, RecursionError) as error:
        raise _syntax(text, str(error), file=file) from error
    action = _action(Table(data, file=file, known=_TOP))
    for complaint in consistency.complaints(action):
        raise ActionFileError(file, complaint.key, complaint.value, complaint.remedy)
    return action


def _syntax(text: str, message: str, *, file: str) -> ActionFileError:
    found = _PLACE.fullmatch(message)
    if found is None:
        return ActionFileError(file, "file", file, f"no valid TOML: {message}")
    # As tomllib counts lines: at line feeds only.
    lines = text.split("\n")
    at = int(found["line"] or len(lines))
    where = f"column {found['column']}" if found["column"] else "end of file"
    return ActionFileError(file, f"line {at}", lines[at - 1].strip(), f"no valid TOML at {where}: {found['problem']}")


def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _action(top: Table) -> ActionFile:
    head = top.table("action", known=_ACTION)
    return ActionFile(
        ua=head.text("ua", checks.number),
        ordinal=head.count("ordinal", default=1),
        index=head.text("index", checks.index),
        country=head.text("country", checks.country),
        issued=head.day("issued"),
        status=head.choice("status", STATUSES, default="open"),
        closed_on=head.day_or_none("closed_on"),
        closed_reason=head.text_or_none("closed_reason"),
        mode=head.choice("mode", MODES, default="individual"),
        languages=head.texts("languages", checks.language, least=1),
        own_language=head.flag("own_language", default=False),
        previous=head.text_or_none("previous", checks.link),
        title=head.by_language("title", needed=True),
        background=top.by_language("background", checks.prose),
        deadline=_deadline(head.table_or_none("deadline", known=_names(Deadline))),
        subjects=tuple(map(_subject, head.tables("subject", known=_names(Subject)))),
        offices=tuple(map(_office, top.tables("office", known=_names(Office), least=1))),
        addresses=tuple(map(_address, top.tables("address", known=_names(Address)))),
        targets=tuple(map(_target, top.tables("target", known=_names(Target), least=1))),
        letters=tuple(map(_letter, top.tables("letter", known=_names(ModelLetter), least=1))),
    )


def _deadline(table: Table | None) -> Deadline | None:
    if table is None:
        return None
    return Deadline(
        date=table.day("date"),
        zone=table.text("zone", checks.zone),
        inclusive=table.flag("inclusive", default=True),
        wording=table.by_language("wording"),
    )


def _subject(table: Table) -> Subject:
    return Subject(name=table.text("name"), pronouns=table.text("pronouns"))


def _office(table: Table) -> Office:
    return Office(
        country=table.text("country", checks.country),
        name=table.text("name"),
        address=table.texts("address", least=1),
        reply_to=table.text("reply_to", checks.email),
        zone=table.text("zone", checks.zone),
        languages=table.texts("languages", checks.language),
    )


def _address(table: Table) -> Address:
    return Address(
        id=table.text("id", checks.identifier),
        country=table.text("country", checks.country),
        postcode=table.text_or_none("postcode"),
        lines=table.by_script("lines"),
    )


def _target(table: Table) -> Target:
    return Target(
        id=table.text("id", checks.identifier),
        kind=table.choice("kind", KINDS),
        address=table.text_or_none("address", checks.identifier),
        email=table.texts("email", checks.email),
        fax=table.text_or_none("fax", checks.fax),
        zone=table.text("zone", checks.zone),
        disclosure=table.choice("disclosure", DISCLOSURES, default="name"),
        reply=table.flag("reply", default=False),
        channels=table.texts("channels", one_of(CHANNELS), least=1),
        mail=table.choice("mail", MAILINGS, default="single"),
        copy_for=table.texts("copy_for", checks.country),
        joint=table.text_or_none("joint", checks.identifier),
        name=table.by_language("name", needed=True),
        role=table.by_language("role"),
        salutation=table.by_language("salutation", needed=True),
    )


def _letter(table: Table) -> ModelLetter:
    return ModelLetter(
        language=table.text("language", checks.language),
        subject=table.text("subject"),
        paragraphs=table.texts("paragraphs", least=1),
        demands=table.texts("demands", least=1),
        closing=table.text("closing"),
        review=table.choice("review", REVIEWS, default="draft"),
    )
