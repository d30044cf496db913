"""The plain Python peer: Jinja templates, EmailMessage and one smtplib connection for all mails."""

import csv
import json
import smtplib
import sys
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, localtime, make_msgid
from pathlib import Path

from jinja2 import Environment, Template


def message(row: dict[str, str], words: dict[str, str], text: Template, html: Template) -> EmailMessage:
    made = EmailMessage()
    made["From"] = formataddr((row["name"], words["sender"]))
    made["To"] = formataddr((words["recipient_name"], row["email"]))
    made["Subject"] = words["subject"]
    made["Date"] = format_datetime(localtime())
    made["Message-ID"] = make_msgid(domain="ua.example")
    made["Reply-To"] = words["reply_to"]
    made["Content-Language"] = "en"
    made.set_content(text.render(row))
    made.add_alternative(html.render(row), subtype="html")
    return made


def main(folder: str, port: str) -> None:
    """Send a mail for each row of list.csv with the words of words.json."""
    words = json.loads((Path(folder) / "words.json").read_text(encoding="utf-8"))
    text = Environment().from_string(words["text"])  # noqa: S701 - plain text
    html = Environment(autoescape=True).from_string(words["html"])
    with (
        (Path(folder) / "list.csv").open(encoding="utf-8", newline="") as rows,
        smtplib.SMTP("127.0.0.1", int(port)) as to,
    ):
        for row in csv.DictReader(rows):
            to.send_message(message(row, words, text, html))


if __name__ == "__main__":
    main(*sys.argv[1:3])
