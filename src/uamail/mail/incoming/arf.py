"""Abuse reports (RFC 5965): a reader's provider says that a mail was called spam."""

from dataclasses import dataclass, field
from email.message import Message

from uamail.mail.incoming import dsn
from uamail.mail.incoming.message import parts


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """`kind` is the Feedback-Type: "abuse", "fraud", "virus", "not-spam", "other" or one registered later."""

    kind: str
    mail_from: str = field(repr=False)
    returned: dsn.Fields = field(repr=False)


def read(message: Message) -> Complaint | None:
    """The complaint inside a message, or None when it holds none. Never raises."""
    for part in parts(message):
        if part.get_content_type() == "message/feedback-report":
            fields: dsn.Fields = {}
            for block in dsn.blocks(part):
                fields = {**block, **fields}
            kind = fields.get("feedback-type", "").lower()
            if kind:
                return Complaint(
                    kind=kind[:40], mail_from=fields.get("original-mail-from", ""), returned=dsn.returned(message)
                )
    return None
