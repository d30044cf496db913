"""What the mail peers send: our own letter, turned into a template with one hole for the signer's name."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import home
from uamail.letters import merge
from uamail.mail import message
from uamail.mail.message import Mail

SENDER = "appeals@ua.example"
_MARK = "PLACEHOLDER"
_HOLE = "{{ name }}"


@dataclass(frozen=True, kw_only=True)
class Words:
    """Subject, both parts as Jinja templates (CSS already inlined) and the addresses of the letter."""

    recipient: str
    recipient_name: str
    reply_to: str
    subject: str
    text: str
    html: str


def words() -> Words:
    """The parts as a reader of our own message gets them, so that every contestant sends the same words."""
    file = home.action("mail")
    target, model = file.targets[0], file.letter("en")
    letter = merge.compose(
        language="en",
        subject=model.subject,
        reference=f"UA {file.ua} · {file.index}",
        salutation=target.salutation["en"],
        paragraphs=model.paragraphs,
        demands=model.demands,
        closing=model.closing,
        signature=(_MARK, "United Kingdom"),
    )
    made = merge.mail(letter)
    sent = message.read(
        message.build(
            Mail(
                sender=(_MARK, SENDER),
                to=(target.name["en"], target.email[0]),
                subject=made.subject,
                text=made.text,
                html=made.html,
                language="en",
                message_id="<1@ua.example>",
                date=datetime.now(UTC),
            )
        )
    )
    return Words(
        recipient=target.email[0],
        recipient_name=target.name["en"],
        reply_to=file.offices[0].reply_to,
        subject=sent.subject,
        text=sent.text.replace(_MARK, _HOLE),
        html=sent.html.replace(_MARK, _HOLE),
    )


def write_list(path: Path, *, count: int, recipient: str) -> None:
    """The peers' mailing list: one row a letter."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(("email", "name"))
        out.writerows((recipient, name) for name in home.names(count))
