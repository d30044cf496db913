"""The words of one mail, rendered from a folder of three templates: subject.txt, body.txt and body.html."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes

from uamail.errors import InputError
from uamail.letters.environment import environment, render

MAIL_FILES = ("subject.txt", "body.txt", "body.html")


@dataclass(frozen=True, kw_only=True)
class MailWords:
    """A mail before it becomes MIME: one line of subject, a plain part, an HTML part with its own <style>."""

    subject: str
    text: str
    html: str


def mail_words(folder: str, context: Mapping[str, Any], *, templates_dir: Path | None = None) -> MailWords:
    """Render the three templates of `folder` (below templates/) over plain data.

    Raises InputError when a template is missing or wrong.
    """
    subject, text, html = (render(f"{folder}/{name}", context, templates_dir=templates_dir) for name in MAIL_FILES)
    # A subject is one line, whatever the data held: split() also breaks at NEL, LS and PS.
    return MailWords(subject=" ".join(subject.split()), text=text.strip() + "\n", html=html.strip() + "\n")


def sources(folder: str, *, files: Sequence[str] = MAIL_FILES, templates_dir: Path | None = None) -> dict[str, str]:
    """The text of a folder's templates (a mail's three) and of those they extend, by their names.

    Raises InputError when one is missing or wrong, or is chosen by an expression.
    """
    env = environment(templates_dir)
    found: dict[str, str] = {}
    names = [f"{folder}/{file}" for file in files]
    while names:
        name = names.pop()
        if name in found:
            continue
        try:
            assert env.loader is not None
            found[name] = env.loader.get_source(env, name)[0]
            names += [_parent(one, name) for one in env.parse(found[name], name).find_all(nodes.Extends)]
        except TemplateError as error:
            raise InputError(f"template {name}: {error}") from error
    return found


def _parent(one: nodes.Extends, name: str) -> str:
    if not isinstance(one.template, nodes.Const):
        raise InputError(f"template {name}, line {one.lineno}: extends what only its data tell")
    return str(one.template.value)


def fingerprint(folder: str, *, files: Sequence[str] = MAIL_FILES, templates_dir: Path | None = None) -> str:
    """Hex SHA-256 over `sources`: another one after any change of the templates."""
    found = sources(folder, files=files, templates_dir=templates_dir)
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
