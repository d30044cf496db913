"""Providers' calls: the genuine one is read, and every forged, changed, old or foreign one is refused."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.incoming import MESSAGE_ID, VERP
from uamail.errors import InputError
from uamail.mail.webhook import hooks
from uamail.mail.webhook.hooks import Call, Forged

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:000000000000:bounces"
URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0000.pem"
KEY, LOGIN = "a key of ours", "postmark:a long password"


@cache
def signer() -> tuple[bytes, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM), key


def bounce(**recipient: str) -> dict[str, Any]:
    return {
        "notificationType": "Bounce",
        "bounce": {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient]},
        "mail": {"source": VERP, "commonHeaders": {"messageId": MESSAGE_ID}},
    }


def sns(said: dict[str, Any], *, version: str = "2", **changes: str) -> dict[str, str]:
    """A signed message of SNS; `changes` are made before it is signed."""
    message = {
        "Type": "Notification",
        "MessageId": "0000-1111",
        "TopicArn": TOPIC,
        "Message": json.dumps(said),
        "Timestamp": "2026-03-02T08:59:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": URL,
        **changes,
    }
    order = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in order if name in message)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
    signature = signer()[1].sign(text.encode(), padding.PKCS1v15(), algorithm)
    return message | {"Signature": base64.b64encode(signature).decode()}


def ses(message: dict[str, str], *, now: datetime = NOW, topic: str = TOPIC) -> hooks.Notice | None:
    call = Call({}, json.dumps(message).encode())
    return hooks.ses(call, topic=topic, certificate=signer()[0], now=now)


@pytest.mark.parametrize("version", ["1", "2"])
def test_signed_bounce_of_ses_is_read(version: str) -> None:
    found = ses(sns(bounce(status="5.1.1", diagnosticCode="smtp; 550 5.1.1 <x@gov.example> unknown"), version=version))

    assert found is not None
    report = found.report
    assert (found.event, report.kind, report.status) == ("0000-1111", "bounce", "5.1.1")
    assert (report.addresses, report.message_ids) == ((VERP,), (MESSAGE_ID,))
    assert "x@gov" not in report.diagnostic


@pytest.mark.parametrize(
    ("said", "kind", "status"),
    [
        ({"notificationType": "Complaint", "complaint": {"complaintFeedbackType": "abuse"}}, "complaint", None),
        ({"eventType": "Delivery", "delivery": {"smtpResponse": "250 ok"}}, "relayed", None),
        ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayType": "MailboxFull"}}, "delay", None),
        ({"eventType": "Bounce", "bounce": {"bounceSubType": "MailboxFull"}}, "bounce", "5.2.2"),
    ],
)
def test_other_notices_of_ses_are_read(said: dict[str, Any], kind: str, status: str | None) -> None:
    found = ses(sns({**said, "mail": {"source": VERP}}))

    assert found is not None
    assert (found.report.kind, found.report.status) == (kind, status)


@pytest.mark.parametrize("said", [{"eventType": "Open"}, {"x": 1}])
def test_notices_about_nothing_are_nothing(said: dict[str, Any]) -> None:
    assert ses(sns(said)) is None


def test_subscription_is_for_a_person() -> None:
    asked = sns({}, Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://x.example/")

    assert ses(asked) is None


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Type", "Signature", "SignatureVersion"])
def test_changed_message_of_sns_is_refused(field: str) -> None:
    good = sns(bounce(status="5.1.1"))
    changed = good | {field: {"Type": "SubscriptionConfirmation", "SignatureVersion": "1"}.get(field, "AAAA")}

    with pytest.raises(Forged):
        ses(changed)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/x.pem",
        "https://sns.evil.example/x.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/x.pem",
        "https://x@sns.eu-central-1.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com:444/x.pem",
        "https://s3.eu-central-1.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com/x.pem?y=1",
        "https://sns.eu-central-1.amazonaws.com/x.txt",
        "",
    ],
)
def test_certificate_comes_from_amazon_only(url: str) -> None:
    with pytest.raises(Forged, match="host of Amazon"):
        ses(sns(bounce(status="5.1.1"), SigningCertURL=url))


@pytest.mark.parametrize("now", [NOW + timedelta(hours=2), NOW - timedelta(hours=2), NOW + timedelta(days=2)])
def test_old_message_of_sns_is_refused(now: datetime) -> None:
    with pytest.raises(Forged):
        ses(sns(bounce(status="5.1.1")), now=now)


@pytest.mark.parametrize("topic", ["", TOPIC + "2"])
def test_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(Forged, match="topic"):
        ses(sns(bounce(status="5.1.1")), topic=topic)


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event": "failed",
        "severity": "permanent",
        "envelope": {"sender": VERP},
        "message": {"headers": {"message-id": MESSAGE_ID.strip("<>")}},
        "delivery-status": {"code": 550, "message": "5.1.1 no such user x@gov.example"},
        **changes,
    }


def mailgun(said: dict[str, Any], *, at: datetime = NOW, now: datetime = NOW, **changes: Any) -> hooks.Notice | None:
    stamp, token = str(int(at.timestamp())), "0" * 50
    signature = hmac.new(KEY.encode(), f"{stamp}{token}".encode(), "sha256").hexdigest()
    signed = {"timestamp": stamp, "token": token, "signature": signature, **changes}
    body = json.dumps({"signature": signed, "event-data": said}).encode()
    return hooks.mailgun(Call({}, body), key=KEY, now=now)


@pytest.mark.parametrize(
    ("changes", "kind", "status"),
    [
        ({}, "bounce", "5.1.1"),
        ({"severity": "temporary"}, "delay", "5.1.1"),
        ({"event": "delivered", "delivery-status": {"code": 250}}, "relayed", None),
        ({"event": "complained"}, "complaint", "5.1.1"),
        ({"delivery-status": {"code": 550, "message": "no"}}, "bounce", "5.0.0"),
    ],
)
def test_signed_event_of_mailgun_is_read(changes: dict[str, Any], kind: str, status: str | None) -> None:
    found = mailgun(event(**changes))

    assert found is not None
    assert (found.report.kind, found.report.status) == (kind, status)
    assert (found.report.addresses, found.report.message_ids) == ((VERP,), (MESSAGE_ID,))
    assert "x@gov" not in found.report.diagnostic


def test_other_event_of_mailgun_is_nothing() -> None:
    assert mailgun(event(event="opened")) is None


@pytest.mark.parametrize("changes", [{"signature": "0" * 64}, {"token": "1" * 50}, {"timestamp": "1"}, {"token": ""}])
def test_changed_event_of_mailgun_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Forged, match="signature"):
        mailgun(event(), **changes)


@pytest.mark.parametrize("late", [timedelta(minutes=16), -timedelta(minutes=16)])
def test_old_event_of_mailgun_is_refused(late: timedelta) -> None:
    with pytest.raises(Forged, match="too old"):
        mailgun(event(), now=NOW + late)


def test_replayed_event_keeps_its_name() -> None:
    first, second = mailgun(event()), mailgun(event(event="complained"))

    assert first is not None
    assert second is not None
    assert first.event == second.event, "one signature carries one event"


def postmark(said: dict[str, Any], login: str = LOGIN) -> hooks.Notice | None:
    proof = "Basic " + base64.b64encode(login.encode()).decode()
    return hooks.postmark(Call({"authorization": proof}, json.dumps(said).encode()), login=LOGIN)


@pytest.mark.parametrize(
    ("said", "kind", "status"),
    [
        ({"Type": "HardBounce", "Description": "unknown"}, "bounce", "5.1.1"),
        ({"Type": "HardBounce", "Details": "smtp;550 5.7.1 refused"}, "bounce", "5.7.1"),
        ({"Type": "MailboxFull"}, "bounce", "5.2.2"),
        ({"Type": "Transient"}, "delay", None),
        ({"Type": "SpamComplaint"}, "complaint", None),
        ({"Type": "AutoResponder"}, "autoreply", None),
        ({"RecordType": "Delivery"}, "relayed", None),
        ({"RecordType": "SpamComplaint"}, "complaint", None),
    ],
)
def test_call_of_postmark_is_read(said: dict[str, Any], kind: str, status: str | None) -> None:
    found = postmark({"RecordType": "Bounce", "ID": 42, "Content": f"Message-ID: {MESSAGE_ID}\n", **said})

    assert found is not None
    assert (found.report.kind, found.report.status, found.report.message_ids) == (kind, status, (MESSAGE_ID,))


def test_postmark_may_carry_our_address_along() -> None:
    found = postmark({"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Metadata": {"bounce": VERP}})

    assert found is not None
    assert found.report.addresses == (VERP,)


@pytest.mark.parametrize("login", ["postmark:a long passwore", "x", "", "é"])
def test_wrong_password_of_postmark_is_refused(login: str) -> None:
    with pytest.raises(Forged):
        postmark({"RecordType": "Bounce", "Type": "HardBounce"}, login)


def test_postmark_about_nothing_is_nothing() -> None:
    assert postmark({"RecordType": "Open"}) is None


def test_bounce_of_a_new_type_is_for_a_person() -> None:
    found = postmark({"RecordType": "Bounce", "Type": "Unheard", "ID": 1})

    assert found is not None
    assert found.report.kind == "unknown"


def test_unset_secrets_let_nobody_in() -> None:
    with pytest.raises(Forged):
        hooks.postmark(Call({"authorization": "Basic "}, b"{}"), login="")
    with pytest.raises(Forged):
        hooks.mailgun(Call({}, b"{}"), key="", now=NOW)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"[" * 100_000, b"\xff", b"{}" + b" " * (1 << 20)])
def test_odd_bodies_are_refused(body: bytes) -> None:
    call = Call({"authorization": "Basic " + base64.b64encode(LOGIN.encode()).decode()}, body)

    with pytest.raises(InputError):
        hooks.ses(call, topic=TOPIC, certificate=signer()[0], now=NOW)
    with pytest.raises(InputError):
        hooks.mailgun(call, key=KEY, now=NOW)
    with pytest.raises(InputError):
        hooks.postmark(call, login=LOGIN)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(["bounce", "mail", "event-data", "notificationType", "delivery-status", "Metadata"]))
@settings(max_examples=150, deadline=None)
def test_any_genuine_body_is_read(value: Any, name: str) -> None:
    said = {**bounce(status="5.1.1"), name: value}

    told = ses(sns(said)), mailgun(event(**{name: value})), postmark({"RecordType": "Bounce", "ID": 7, name: value})

    assert {one.event for one in told if one is not None} <= {"0000-1111", "0" * 50, "Bounce:7"}


def test_stored_call_has_headers_and_body() -> None:
    call = hooks.stored(b"Authorization: Basic x\r\nContent-Type: application/json\r\n\r\n{}")

    assert (call.headers["authorization"], call.body) == ("Basic x", b"{}")
    with pytest.raises(InputError):
        hooks.stored(b"{}")
