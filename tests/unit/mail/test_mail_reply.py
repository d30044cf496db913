"""Replies as servers really write them, at every stage, and what becomes of the delivery."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.mail.reply import GREYLISTED, LONGEST, MAX_TEXT, Outcome, Stage, Verdict, backoff, classify, parse, scrub
from uamail.mail.reply import queue_id as found_id

STAGES: tuple[Stage, ...] = ("connect", "helo", "tls", "auth", "mail", "rcpt", "data", "body")
OUTCOMES = {"accepted", "deferred", "refused", "relay", "content", "uncertain"}

ROWS: list[tuple[Stage, int, str, Outcome]] = [
    # The session: everything that uses the relay waits.
    ("connect", 421, "mx.example Service not available, closing transmission channel", "relay"),
    ("connect", 421, "4.7.0 too many connections from your host, try again later", "relay"),
    ("connect", 450, "4.3.2 try again later", "relay"),
    ("connect", 520, "no", "relay"),
    ("connect", 521, "5.3.2 this host does not accept mail", "relay"),
    ("connect", 554, "5.7.1 your IP is listed", "relay"),
    ("connect", 554, "No SMTP service here", "relay"),
    ("helo", 421, "4.4.2 timeout", "relay"),
    ("helo", 450, "4.7.1 Helo command rejected: Host not found", "relay"),
    ("helo", 501, "5.5.4 invalid domain name", "relay"),
    ("helo", 504, "5.5.2 Helo command rejected: need fully-qualified hostname", "relay"),
    ("helo", 550, "5.7.1 access denied", "relay"),
    ("tls", 454, "4.7.0 TLS not available due to local problem", "relay"),
    ("tls", 501, "5.5.4 syntax error (no parameters allowed)", "relay"),
    ("tls", 502, "5.5.1 command not implemented", "relay"),
    ("auth", 432, "4.7.12 a password transition is needed", "relay"),
    ("auth", 454, "4.7.0 temporary authentication failure", "relay"),
    ("auth", 421, "4.7.0 too many errors", "relay"),
    ("auth", 534, "5.7.9 authentication mechanism is too weak", "relay"),
    ("auth", 535, "5.7.8 authentication credentials invalid", "relay"),
    ("auth", 538, "5.7.11 encryption required", "relay"),
    ("auth", 500, "5.5.6 line too long", "relay"),
    # MAIL: what is refused here is the sender, unless it is the size.
    ("mail", 421, "4.3.0 closing connection", "deferred"),
    ("mail", 450, "4.1.8 Sender address rejected: Domain not found", "deferred"),
    ("mail", 451, "4.3.0 internal error", "deferred"),
    ("mail", 452, "4.3.1 insufficient system storage", "deferred"),
    ("mail", 500, "unrecognized command", "relay"),
    ("mail", 501, "5.1.7 bad sender address syntax", "relay"),
    ("mail", 503, "5.5.1 error: send HELO first", "relay"),
    ("mail", 530, "5.7.0 must issue a STARTTLS command first", "relay"),
    ("mail", 530, "5.7.57 client not authenticated to send mail", "relay"),
    ("mail", 550, "5.7.1 sender IP blocked", "relay"),
    ("mail", 550, "5.1.8 sender domain does not resolve", "relay"),
    ("mail", 552, "message size exceeds fixed maximum message size", "content"),
    ("mail", 552, "5.3.4 message size exceeds fixed limit", "content"),
    ("mail", 553, "5.7.1 sender address rejected: not owned by user", "relay"),
    ("mail", 554, "5.7.1 access denied", "relay"),
    ("mail", 555, "5.5.4 unsupported option: SIZE", "relay"),
    # RCPT: the recipient, unless the server speaks of us.
    ("rcpt", 421, "4.7.0 closing", "deferred"),
    ("rcpt", 450, "4.1.1 mailbox unknown, for now", "deferred"),
    ("rcpt", 450, "4.2.0 Recipient address rejected: Greylisted", "deferred"),
    ("rcpt", 451, "4.7.1 Greylisting in action, please come back later", "deferred"),
    ("rcpt", 451, "4.4.3 temporary server error", "deferred"),
    ("rcpt", 452, "4.5.3 too many recipients", "deferred"),
    ("rcpt", 452, "4.2.2 mailbox full", "deferred"),
    ("rcpt", 455, "parameters cannot be accommodated", "deferred"),
    ("rcpt", 501, "5.1.3 bad recipient address syntax", "refused"),
    ("rcpt", 501, "syntax", "refused"),
    ("rcpt", 503, "5.5.1 error: need MAIL command", "relay"),
    ("rcpt", 504, "5.5.2 Recipient address rejected: need fully-qualified address", "refused"),
    ("rcpt", 504, "5.5.2 Helo command rejected: need fully-qualified hostname", "relay"),
    ("rcpt", 530, "5.7.0 authentication required", "relay"),
    ("rcpt", 521, "this host takes no mail", "relay"),
    ("rcpt", 550, "no such user here", "refused"),
    ("rcpt", 550, "5.1.1 Recipient address rejected: User unknown in local recipient table", "refused"),
    ("rcpt", 550, "5.1.10 the recipient's domain has a null MX", "refused"),
    ("rcpt", 550, "5.2.1 the account is disabled", "refused"),
    ("rcpt", 550, "5.4.1 Recipient address rejected: Access denied", "refused"),
    ("rcpt", 550, "5.5.0 Requested action not taken: mailbox unavailable", "refused"),
    ("rcpt", 550, "5.7.1 delivery not authorized, message refused", "refused"),
    ("rcpt", 550, "5.7.17 mailbox owner has changed", "refused"),
    ("rcpt", 550, "5.7.23 Recipient address rejected: Message rejected due to: SPF fail", "relay"),
    ("rcpt", 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]", "relay"),
    ("rcpt", 550, "relay not permitted", "relay"),
    ("rcpt", 551, "user not local", "refused"),
    ("rcpt", 552, "too many recipients", "deferred"),
    ("rcpt", 552, "5.2.2 mailbox full", "deferred"),
    ("rcpt", 552, "5.2.3 message length exceeds the mailbox's limit", "content"),
    ("rcpt", 553, "5.6.7 non-ASCII addresses are not permitted", "refused"),
    ("rcpt", 553, "mailbox name not allowed", "refused"),
    ("rcpt", 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relay"),
    ("rcpt", 554, "5.7.1 Relay access denied", "relay"),
    ("rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example", "relay"),
    ("rcpt", 554, "5.7.1 Sender address rejected: Access denied", "relay"),
    ("rcpt", 554, "5.7.1 Recipient address rejected: Access denied", "refused"),
    ("rcpt", 556, "5.1.10 domain does not accept mail", "refused"),
    # DATA, before a byte of the letter is out.
    ("data", 421, "4.3.2 shutting down", "deferred"),
    ("data", 451, "4.3.0 queue file write error", "deferred"),
    ("data", 502, "5.5.1 not implemented", "relay"),
    ("data", 503, "5.5.1 bad sequence", "relay"),
    ("data", 550, "5.1.1 no such user", "refused"),
    ("data", 550, "no such user", "refused"),
    ("data", 552, "5.2.2 mailbox full", "deferred"),
    ("data", 554, "5.5.1 error: no valid recipients", "relay"),
    ("data", 554, "5.7.1 Data command rejected: policy", "content"),
    ("data", 554, "no", "content"),
    # After the final dot.
    ("body", 250, "2.0.0 Ok: queued as 4F1C2A0B3D", "accepted"),
    ("body", 250, "", "accepted"),
    ("body", 250, "5.7.1 rejected", "accepted"),
    ("body", 259, "unknown but positive", "accepted"),
    ("body", 421, "4.4.2 timeout exceeded", "deferred"),
    ("body", 450, "4.7.1 try again in 90 seconds", "deferred"),
    ("body", 451, "4.7.1 Greylisted, see the help page", "deferred"),
    ("body", 452, "4.3.1 out of memory", "deferred"),
    ("body", 500, "5.2.3 line too long", "content"),
    ("body", 550, "5.1.1 user unknown", "refused"),
    ("body", 550, "5.2.1 mailbox disabled", "refused"),
    ("body", 550, "5.4.6 routing loop", "refused"),
    ("body", 550, "5.7.1 message looks like spam", "content"),
    ("body", 550, "5.7.26 unauthenticated mail is not accepted, see DMARC", "relay"),
    ("body", 550, "high spam score", "content"),
    ("body", 552, "5.3.4 message too big for system", "content"),
    ("body", 552, "exceeded storage allocation", "content"),
    ("body", 554, "5.6.0 message contains invalid header", "content"),
    ("body", 554, "5.7.1 Spam message rejected", "content"),
    ("body", 554, "transaction failed", "content"),
    ("body", 554, "5.7.1 Client host blocked using zen.example", "relay"),
    # Garbage: before the dot nothing is sent, after it the mail may have been kept.
    ("rcpt", -1, "", "deferred"),
    ("rcpt", 0, "\x00\xff", "deferred"),
    ("mail", 354, "go ahead", "deferred"),
    ("connect", 999, "HTTP/1.1 400 Bad Request", "deferred"),
    ("data", 250, "ok", "deferred"),
    ("body", -1, "", "uncertain"),
    ("body", 354, "go ahead", "uncertain"),
    ("body", 777, "?", "uncertain"),
    # Multi-line, over-long, and enhanced codes that contradict.
    ("rcpt", 550, "5.1.1 The address\n5.1.1 you wrote to\n5.1.1 does not exist", "refused"),
    ("body", 550, "x" * 5000, "content"),
    ("rcpt", 450, "5.1.1 permanent in words only", "deferred"),
    ("rcpt", 550, "4.2.2 temporary in words only", "refused"),
    ("rcpt", 550, "2.1.5 fine", "refused"),
    ("body", 552, "4.2.2 mailbox full", "content"),
    ("rcpt", 550, "5.1.1.9999 odd", "refused"),
]


@pytest.mark.parametrize(("stage", "code", "text", "outcome"), ROWS)
def test_reply_has_its_class(stage: Stage, code: int, text: str, outcome: Outcome) -> None:
    verdict = classify(parse(code, text), stage=stage)

    assert verdict.outcome == outcome
    assert verdict.why


def test_table_covers_every_stage() -> None:
    assert len(ROWS) >= 80
    for stage in STAGES:
        assert {code // 100 for row, code, *_ in ROWS if row == stage} >= {4, 5}


@settings(deadline=None)
@given(st.integers(-10, 1200), st.text(), st.sampled_from(STAGES))
def test_any_reply_has_a_class(code: int, text: str, stage: Stage) -> None:
    verdict = classify(parse(code, text), stage=stage)

    assert verdict.outcome in OUTCOMES
    assert (verdict.outcome == "accepted") == (stage == "body" and code // 100 == 2)
    assert verdict.wait is None or timedelta(0) < verdict.wait <= LONGEST


@pytest.mark.parametrize("address", ["spf@host.example", "blacklist@host.example", "relay.denied.dmarc@host.example"])
def test_address_in_a_reply_decides_nothing(address: str) -> None:
    reply = parse(550, f"5.1.1 <{address}>: no such user")

    assert classify(reply, stage="rcpt").outcome == "refused"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4.7.1 Greylisted", 300),
        ("4.7.1 Greylisted for 5 minutes", 300),
        ("4.7.1 Greylisted, try again in 60 seconds", 300),
        ("4.7.1 Graylisting, retry after 20 minutes", 1200),
        ("Greylisting in action, please come back in 00:10:00", 600),
        ("4.7.0 try again in 90 seconds", 90),
        ("4.7.0 Try again in 2 hours", 7200),
        ("rate limit exceeded, wait 30s", 30),
        ("please retry in about 3 mins", 180),
        ("blocked for 999999 hours", LONGEST.total_seconds()),
        ("try again in 0 seconds", 1),
    ],
)
def test_server_names_the_wait(text: str, seconds: float) -> None:
    assert classify(parse(450, text), stage="rcpt").wait == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["try again later", "4.2.2 mailbox full", "in 5 million years", "message 12 in 2026"])
def test_silent_server_leaves_the_wait_to_us(text: str) -> None:
    assert classify(parse(452, text), stage="rcpt").wait is None


def test_relay_pause_takes_the_stated_wait() -> None:
    verdict = classify(parse(421, "4.7.0 too many connections, try again in 10 minutes"), stage="connect")

    assert verdict == Verdict("relay", timedelta(minutes=10), verdict.why)


def test_greylisting_waits_five_minutes() -> None:
    assert timedelta(minutes=5) == GREYLISTED


def test_enhanced_code_leaves_the_text() -> None:
    reply = parse(550, "5.1.1 First line\n5.1.1 second line")

    assert (reply.code, reply.enhanced, reply.text) == (550, "5.1.1", "First line second line")
    assert str(reply) == "550 5.1.1 First line second line"


@settings(deadline=None)
@given(st.integers(), st.text(max_size=6000))
def test_reply_text_is_one_short_line(code: int, text: str) -> None:
    reply = parse(code, text)

    assert len(reply.text) <= MAX_TEXT
    assert reply.text == " ".join(reply.text.split())
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in reply.text)


@pytest.mark.parametrize(
    ("text", "queued"),
    [
        ("2.0.0 Ok: queued as 4F1C2A0B3D", "4F1C2A0B3D"),
        ("2.0.0 Ok: queued as 4Yb2mM3xyzz1Bk", "4Yb2mM3xyzz1Bk"),
        ("OK id=1rABCd-0001Xy-2Z", "1rABCd-0001Xy-2Z"),
        ("OK id=1tABCd-000000001Xy-2Zab", "1tABCd-000000001Xy-2Zab"),
        ("2.6.0 <a@b.example> [InternalId=123456789012, Hostname=X.example] Queued mail for delivery", "123456789012"),
        ("2.0.0 3BK0abcd012345 Message accepted for delivery", "3BK0abcd012345"),
        ("2.0.0 0a1b2c3d Message accepted for delivery", "0a1b2c3d"),
        ("ok 1700000000 qp 12345", "12345"),
        ("Message Queued (6ED1F3B8-0C4A-4F3E-9D57-1C0D3E1F2A3B.1)", "6ED1F3B8-0C4A-4F3E-9D57-1C0D3E1F2A3B"),
        ("2.0.0 OK  1700000000 abcdef-20020a05si1234567wrb.123 - gsmtp", "abcdef-20020a05si1234567wrb"),
        (
            "Ok 0102018c0000abcd-11112222-3333-4444-5555-666677778888-000000",
            "0102018c0000abcd-11112222-3333-4444-5555-666677778888-000000",
        ),
        ("2.0.0 Ok", None),
        ("queued as <a@b.example>", None),
        ("", None),
    ],
)
def test_queue_id_is_found(text: str, queued: str | None) -> None:
    assert found_id(parse(250, text).text) == queued


def test_backoff_grows_to_its_limit() -> None:
    waits = [backoff(n, first=300).total_seconds() for n in range(1, 12)]

    assert waits[:3] == [300, 480, 768]
    assert waits == sorted(waits)
    assert backoff(5000, first=300, jitter=1.0) == timedelta(seconds=4000)


@settings(deadline=None)
@given(
    st.integers(1, 10_000),
    st.floats(0.01, 10_000),
    st.floats(1.0, 4.0),
    st.floats(1, 100_000),
    st.floats(0, 1),
)
def test_backoff_stays_in_bounds(attempt: int, first: float, factor: float, most: float, jitter: float) -> None:
    wait = backoff(attempt, first=first, factor=factor, most=most, jitter=jitter).total_seconds()

    assert min(first, most) * 0.999 <= wait <= most + 1e-5


def test_jitter_spreads_the_waits() -> None:
    waits = {backoff(9, first=60, jitter=n / 10) for n in range(11)}

    assert len(waits) == 11


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <jane.doe@mail.example>: unknown",
        "jane.doe@mail.example... User unknown",
        '"jane doe"@mail.example is unknown',
        "bounce+jane.doe=40mail.example@relay.example",
        "see https://x.example/?to=jane.doe%40mail.example",
        "jane.doe @ mail.example is over quota",
        "jane.doe＠mail.example",
        "to:<jane.doe@mail.example>,<jane.doe@other.example>",
        "(jane.doe&#64;mail.example)",
    ],
)
def test_scrub_hides_every_address(text: str) -> None:
    scrubbed = scrub(text)

    assert "jane" not in scrubbed
    assert "doe" not in scrubbed
    assert "<address>" in scrubbed


def test_scrub_keeps_the_other_words() -> None:
    assert scrub("5.1.1 <a@b.example>: Recipient address rejected") == "5.1.1 <address> Recipient address rejected"
