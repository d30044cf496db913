"""Amazon SES through SNS: the signature of the message, then what SES says in it."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from uamail.errors import InputError
from uamail.mail.incoming import codes
from uamail.mail.incoming.report import Kind, Report, bounce_addresses, message_ids
from uamail.mail.reply import scrub
from uamail.mail.webhook.call import Call, Forged, Notice, at, object_of, word

WINDOW = timedelta(hours=1)  # SNS retries for less than that by default; an older message is a replay

_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?")
# The fields that are signed, in this order, each with its name; absent ones are left out.
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
# AWS still signs version 1 with SHA-1 for topics that were not switched to version 2.
_HASHES: dict[str, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303
_BOUNCES = {"MailboxFull": "5.2.2", "MessageTooLarge": "5.3.4", "ContentRejected": "5.6.0", "NoEmail": "5.1.1"}


def certificate_url(call: Call) -> str:
    """Where the signing certificate is, for a caller that fetches it. Raises Forged unless it is Amazon's own host."""
    url = word(object_of(call.body), "SigningCertURL")
    parts = urlsplit(url)
    good = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) and parts.path.endswith(".pem")
    if not good or parts.query or parts.fragment:
        raise Forged("the signing certificate is not on a host of Amazon SNS")
    return url


def read(call: Call, *, topic: str, certificate: bytes, now: datetime) -> Notice | None:
    """The notice in a genuine message of `topic`; None for one that says nothing of a letter.

    A SubscriptionConfirmation is never followed by itself: a person opens its address. Raises Forged.
    """
    message = object_of(call.body)
    certificate_url(call)
    _verify(message, certificate, now)
    if not topic or word(message, "TopicArn") != topic:
        raise Forged("the message is of a topic that bounces.ses_topic does not name")
    age = now - _moment(word(message, "Timestamp"))
    if abs(age) > WINDOW:
        raise Forged("the message is too old, or from the future")
    if message["Type"] != "Notification":
        return None
    report = _report(object_of(word(message, "Message", most=1 << 20).encode()))
    return Notice(event=word(message, "MessageId"), report=report) if report is not None else None


def _verify(message: dict[str, Any], certificate: bytes, now: datetime) -> None:
    fields = _SIGNED.get(word(message, "Type"))
    algorithm = _HASHES.get(word(message, "SignatureVersion"))
    if fields is None or algorithm is None:
        raise Forged("the message has an unknown type or signature version")
    text = "".join(f"{name}\n{message[name]}\n" for name in fields if isinstance(message.get(name), str))
    try:
        signer = x509.load_pem_x509_certificate(certificate)
        key = signer.public_key()
        if (
            not isinstance(key, rsa.RSAPublicKey)
            or not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc
        ):
            raise Forged("the signing certificate is of another kind, or not valid now")
        signature = base64.b64decode(word(message, "Signature"), validate=True)
        key.verify(signature, text.encode(), padding.PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error) as error:
        raise Forged("the signature does not hold") from error
    except ValueError as error:
        raise InputError("the certificate is not PEM") from error


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Forged("the message has no time") from error


def _report(said: dict[str, Any]) -> Report | None:
    kind: Kind
    status, diagnostic = None, ""
    match word(said, "notificationType") or word(said, "eventType"):
        case "Bounce":
            kind = "bounce"
            status, diagnostic = _bounce(at(said, "bounce"))
        case "Complaint":
            kind, diagnostic = "complaint", word(said, "complaint", "complaintFeedbackType")
        case "Delivery":
            # What SES calls delivered, the next mail server has accepted.
            kind, diagnostic = "relayed", word(said, "delivery", "smtpResponse")
        case "DeliveryDelay":
            kind, diagnostic = "delay", word(said, "deliveryDelay", "delayType")
        case _:
            return None
    headers = at(said, "mail", "headers")
    ours = [word(one, "value") for one in headers or () if word(one, "name").lower() == "message-id"]
    return Report(
        kind=kind,
        formal=True,
        addresses=bounce_addresses(word(said, "mail", "source")),
        message_ids=message_ids(word(said, "mail", "commonHeaders", "messageId"), *ours),
        status=status,
        diagnostic=scrub(diagnostic)[:500],
    )


def _bounce(bounce: Any) -> tuple[str | None, str]:
    """Status and diagnostic of the one recipient; SES gives up for good on its "transient" bounces as well."""
    recipients = at(bounce, "bouncedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else {}
    diagnostic = word(first, "diagnosticCode")
    status = codes.refined(codes.found(word(first, "status")), scrub(diagnostic))
    return status or _BOUNCES.get(word(bounce, "bounceSubType")), diagnostic
