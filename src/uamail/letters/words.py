"""The words of one mail, rendered from a folder of three templates: subject.txt, body.txt and body.html."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uamail.letters.environment import render


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
    subject, text, html = (
        render(f"{folder}/{name}", context, templates_dir=templates_dir)
        for name in ("subject.txt", "body.txt", "body.html")
    )
    # A subject is one line, whatever the data held: split() also breaks at NEL, LS and PS.
    return MailWords(subject=" ".join(subject.split()), text=text.strip() + "\n", html=html.strip() + "\n")
