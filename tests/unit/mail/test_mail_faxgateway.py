"""Mail to a fax gateway: an address with the number, the pages, and nothing of a person."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from uamail.errors import SettingError
from uamail.mail.faxgateway import FaxMail, Gateway, build

PAGES = bytes(range(256)) * 40


def gateway(**changes: Any) -> Gateway:
    plain = {"address": "{number}@fax.example", "subject": "Fax {reference}", "text": ""}
    return Gateway(**{**plain, **changes})


def fax(**changes: Any) -> FaxMail:
    plain: dict[str, Any] = {
        "number": "+861062381025",
        "reference": "F12",
        "tiff": PAGES,
        "pages": 2,
        "sender": ("Urgent Action service", "appeals@ua.example"),
        "message_id": "<0123456789@ua.example>",
        "date": datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC),
    }
    return FaxMail(**{**plain, **changes})


def test_pages_arrive_as_they_were() -> None:
    message = message_from_bytes(build(fax(), gateway()), policy=default)

    (part,) = message.iter_attachments()
    assert part.get_content() == PAGES
    assert (part.get_content_type(), part.get_filename()) == ("image/tiff", "F12.tiff")
    assert message.defects == []


def test_header_says_what_a_gateway_needs_and_no_more() -> None:
    message = message_from_bytes(build(fax(), gateway()), policy=default)

    assert dict(message.items()) == {
        "From": "Urgent Action service <appeals@ua.example>",
        "To": "861062381025@fax.example",
        "Subject": "Fax F12",
        "Date": "Mon, 02 Mar 2026 09:00:00 +0000",
        "Message-ID": "<0123456789@ua.example>",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/mixed; boundary="=_F12"',
    }


def test_cover_data_is_filled_in() -> None:
    asked = gateway(address="FAX=+{number}@fax.example", subject="{pages} p.", text="PIN 7\nto {number}, {reference}")
    message = message_from_bytes(build(fax(), asked), policy=default)

    body = message.get_body(("plain",))
    assert body is not None
    assert (message["Subject"], message["To"]) == ("2 p.", "FAX=+861062381025@fax.example")
    assert body.get_content().splitlines() == ["PIN 7", "to 861062381025, F12"]


def test_mail_needs_nothing_escaped_on_the_wire() -> None:
    data = build(fax(), gateway(text="…\n."))

    assert data.endswith(b"\r\n")
    assert re.search(rb"[^\x00-\x7f]|(?<!\r)\n|\r(?!\n)", data) is None
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert not [line for line in data.split(b"\r\n") if line.startswith(b".")]
    assert build(fax(), gateway(text="…\n.")) == data


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"address": ""}, "fax.address"),
        ({"address": "fax@fax.example"}, "fax.address"),
        ({"address": "fax@{number}.example"}, "fax.address"),
        ({"address": "{number}@localhost"}, "fax.address"),
        ({"address": "{number}{number}@fax.example"}, "fax.address"),
        ({"address": "{number}.{pin}@fax.example"}, "fax.address"),
        ({"address": "x, {number}@fax.example"}, "fax.address"),
        ({"address": "{number}@fax.example\r\nBcc: x@y.example"}, "fax.address"),
        ({"subject": "Fax of {name}"}, "fax.subject"),
        ({"subject": ""}, "fax.subject"),
        ({"text": "{signer}"}, "fax.text"),
    ],
)
def test_unsafe_setting_is_refused(changes: dict[str, str], key: str) -> None:
    with pytest.raises(SettingError) as refused:
        gateway(**changes)

    assert refused.value.key == key


def test_nothing_private_is_shown() -> None:
    assert repr(fax()) == "FaxMail(reference='F12')"
