"""Incoming mail in the shapes that mail servers, providers and people give it; the words and names are ours."""

from collections.abc import Callable
from dataclasses import dataclass

VERP = "b-aaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbb@ua.example"
MESSAGE_ID = "<0123456789abcdefghij@ua.example>"
THEIRS = "president@gov.example"


def dsn(
    fields: str,
    *,
    words: str = "Your message could not be delivered.",
    sender: str = "MAILER-DAEMON@mx.gov.example",
    subject: str = "Undelivered Mail Returned to Sender",
    head: str = "",
    per_message: str = "Reporting-MTA: dns; mx.gov.example",
    back: str = "text/rfc822-headers",
    status_type: str = "message/delivery-status",
    verp: str = VERP,
    message_id: str = MESSAGE_ID,
) -> bytes:
    """A notification in three parts (RFC 6522): words, fields, and what came back."""
    return f"""\
Return-Path: <>
Delivered-To: {verp}
From: Mail Delivery System <{sender}>
To: {verp}
Subject: {subject}
{head}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_cut"

--=_cut
Content-Type: text/plain; charset=us-ascii

{words}

--=_cut
Content-Type: {status_type}

{per_message}

{fields}

--=_cut
Content-Type: {back}

Message-ID: {message_id}
From: Ada <appeals@ua.example>
To: {THEIRS}
Subject: An appeal

--=_cut--
""".encode()


def failed(status: str, diagnostic: str, *, action: str = "failed", **terms: str) -> bytes:
    return dsn(
        f"Final-Recipient: rfc822; {THEIRS}\n"
        f"Original-Recipient: rfc822;{THEIRS}\n"
        f"Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {diagnostic}",
        **terms,
    )


def plain(
    words: str,
    *,
    sender: str = "MAILER-DAEMON@mx.gov.example",
    subject: str = "failure notice",
    path: str = "<>",
    head: str = "",
    charset: str = "utf-8",
    verp: str = VERP,
) -> bytes:
    """A message of one text part."""
    return (
        f"Return-Path: {path}\nDelivered-To: {verp}\nFrom: {sender}\nTo: {verp}\nSubject: {subject}\n{head}"
        f"MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n{words}\n"
    ).encode(charset)


def person(words: str, *, sender: str = THEIRS, subject: str = "Re: An appeal", head: str = "", **terms: str) -> bytes:
    return plain(words, sender=sender, subject=subject, path=f"<{sender}>", head=head, **terms)


def arf(kind: str, *, verp: str = VERP, message_id: str = MESSAGE_ID) -> bytes:
    """An abuse report (RFC 5965)."""
    return f"""\
Return-Path: <reports@post.example>
Delivered-To: {verp}
From: Feedback <reports@post.example>
To: abuse@ua.example
Subject: FW: An appeal
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=_cut"

--=_cut
Content-Type: text/plain

A reader has marked this message.

--=_cut
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Example/1.0
Version: 1
Original-Mail-From: <{verp}>
Original-Rcpt-To: <somebody@post.example>

--=_cut
Content-Type: message/rfc822

Message-ID: {message_id}
From: appeals@ua.example
To: somebody@post.example
Subject: An appeal

Text.
--=_cut--
""".encode()


@dataclass(frozen=True)
class Sample:
    """A message, and what must be read in it."""

    name: str
    data: bytes
    kind: str
    status: str | None = None


_QMAIL = """\
Hi. This is the qmail-send program at mx.gov.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<president@gov.example>:
{}

--- Below this line is a copy of the message.

Return-Path: <x@ua.example>
Message-ID: <0123456789abcdefghij@ua.example>
Subject: An appeal
"""
_EXIM = """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  president@gov.example
    {}
"""
_EXIM_LATE = """\
This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.gov.example.

The address to which the message has not yet been delivered is:

  president@gov.example

No action is required on your part. Delivery attempts will continue for
some time.
"""
_AUTO = "Auto-Submitted: auto-replied\n"
_PERSON = "Thank you. The ministry has read your letter, and the case is being looked at again.\n\nThe secretary"


def _mixed() -> bytes:
    return dsn(
        "Final-Recipient: rfc822; one@gov.example\nAction: failed\nStatus: 5.1.1\n\n"
        "Final-Recipient: rfc822; two@gov.example\nAction: delivered\nStatus: 2.0.0"
    )


SAMPLES: tuple[Sample, ...] = (
    # Postfix
    Sample("postfix unknown user", failed("5.1.1", f"550 5.1.1 <{THEIRS}>: user unknown"), "bounce", "5.1.1"),
    Sample("postfix full", failed("5.2.2", "552 5.2.2 mailbox is over its quota"), "bounce", "5.2.2"),
    Sample("postfix delayed", failed("4.4.1", "connect timed out", action="delayed"), "delay", "4.4.1"),
    Sample("postfix given up", failed("4.4.1", "connect timed out"), "bounce", "4.4.1"),
    Sample("postfix delivered", failed("2.0.0", "250 2.0.0 ok", action="delivered"), "delivered", "2.0.0"),
    Sample("postfix relayed", failed("2.0.0", "250 2.0.0 queued", action="relayed"), "relayed", "2.0.0"),
    Sample("alias expanded", failed("2.0.0", "250 expanded", action="expanded"), "relayed", "2.0.0"),
    Sample("no host", failed("5.4.4", "host or domain name not found"), "bounce", "5.4.4"),
    Sample("null mx", failed("5.1.10", "556 5.1.10 the domain takes no mail"), "bounce", "5.1.10"),
    # Status in general terms, the reason in the server's own words
    Sample("general status", failed("5.0.0", "550 5.1.1 no such person"), "bounce", "5.1.1"),
    Sample("general without code", failed("5.0.0", "550 go away"), "bounce", "5.0.0"),
    Sample("commented status", failed("5.7.1 (refused by policy)", "554 5.7.1 no"), "bounce", "5.7.1"),
    # Exim
    Sample("exim unrouteable", plain(_EXIM.format("Unrouteable address")), "bounce", None),
    Sample("exim unknown", plain(_EXIM.format("550 5.1.1 no such user")), "bounce", "5.1.1"),
    Sample("exim late", plain(_EXIM_LATE, subject="Warning: message delayed 24 hours"), "delay", None),
    # Exchange and its online service
    Sample(
        "exchange not found",
        failed("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", sender="postmaster@gov.example"),
        "bounce",
        "5.1.10",
    ),
    Sample(
        "exchange restricted",
        failed("5.7.133", "550 5.7.133 the group takes mail from inside only", sender="postmaster@gov.example"),
        "bounce",
        "5.7.133",
    ),
    Sample(
        "exchange full",
        failed("5.2.2", "554 5.2.2 mailbox full; STOREDRV.Deliver", subject="Undeliverable: An appeal"),
        "bounce",
        "5.2.2",
    ),
    # Gmail
    Sample(
        "gmail no account",
        failed("5.1.1", "550-5.1.1 The account does not exist. Learn more at the help page", back="message/rfc822"),
        "bounce",
        "5.1.1",
    ),
    Sample("gmail blocked", failed("5.7.26", "550-5.7.26 not authenticated, so it is refused"), "bounce", "5.7.26"),
    # qmail
    Sample("qmail unknown", plain(_QMAIL.format("Sorry, no mailbox here by that name. (#5.1.1)")), "bounce", "5.1.1"),
    Sample("qmail full", plain(_QMAIL.format("The mailbox is full, the user must delete mail.")), "bounce", "5.2.2"),
    # Sendmail
    Sample(
        "sendmail unknown",
        failed("5.1.1", "550 5.1.1 User unknown", per_message="Reporting-MTA: dns; sm.gov.example\nArrival-Date: now"),
        "bounce",
        "5.1.1",
    ),
    Sample(
        "sendmail warning",
        failed("4.2.0", "450 4.2.0 busy", action="delayed", subject="Warning: could not send message for 4 hours"),
        "delay",
        "4.2.0",
    ),
    # Yahoo
    Sample(
        "yahoo over quota",
        failed("5.0.0", "554 30 Sorry, 5.2.2 the inbox is over quota", sender="MAILER-DAEMON@yahoo.example"),
        "bounce",
        "5.2.2",
    ),
    # Odd, and legal
    Sample("international", failed("5.1.1", "550 no", status_type="message/global-delivery-status"), "bounce", "5.1.1"),
    Sample("no action", dsn(f"Final-Recipient: rfc822;{THEIRS}\nStatus: 5.1.1"), "bounce", "5.1.1"),
    Sample("several fates", _mixed(), "bounce", "5.1.1"),
    Sample("status without recipients", dsn("X-Nothing: here"), "unknown", None),
    Sample("unknown daemon", plain("The post office is closed for the season."), "unknown", None),
    # Complaints
    Sample("abuse report", arf("abuse"), "complaint", None),
    Sample("fraud report", arf("fraud"), "complaint", None),
    Sample("not spam after all", arf("not-spam"), "autoreply", None),
    # Vacation and its relatives
    Sample("vacation german", person("Ich bin bis Montag abwesend.", head=_AUTO), "autoreply"),
    Sample("vacation french", person("Je suis absente.", head="Precedence: bulk\n"), "autoreply"),
    Sample("vacation english", person("I am away.", head="X-Autoreply: yes\n"), "autoreply"),
    Sample(
        "vacation chinese",
        plain("我不在辦公室。", sender=THEIRS, subject="自動回覆：來信", head="X-N: 1\n"),
        "autoreply",
    ),
    Sample(
        "vacation exchange",
        person("Away.", subject="Automatic reply: x", head="X-Auto-Response-Suppress: All\n"),
        "autoreply",
    ),
    Sample(
        "receipt of an office",
        person("We have received your mail.", sender="no-reply@gov.example", subject="Automatic reply"),
        "autoreply",
    ),
    Sample("mailing list", person("Digest.", head="List-Id: <news.gov.example>\n"), "autoreply"),
    # Challenges
    Sample(
        "challenge",
        person("Please click.", subject="Please confirm your message to be delivered", head=_AUTO),
        "challenge",
    ),
    # People
    Sample("answer", person(_PERSON, head=f"In-Reply-To: {MESSAGE_ID}\n"), "answer"),
    Sample("answer in turkish", person("Mektubunuz alındı.", charset="iso-8859-9"), "answer"),
    Sample("answer marked as human", person(_PERSON, head="Auto-Submitted: no\n"), "answer"),
    Sample("holiday in a subject", person(_PERSON, subject="Absent witnesses in your case"), "answer"),
)

by_name: Callable[[str], Sample] = {one.name: one for one in SAMPLES}.__getitem__
