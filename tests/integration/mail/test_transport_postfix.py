"""A real Postfix takes the pipelined stream, and its queue holds exactly what we say it accepted."""

from dataclasses import replace

from tests.support import postfix
from tests.support.postbag import Postbag, letter, relay, run
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.reply import queue_id

# It keeps what it accepts on hold, and has its reasons for some recipients.
HOLDING = {
    "message_size_limit": "100000",
    "smtpd_error_sleep_time": "0",
    "smtpd_peername_lookup": "no",
    "smtpd_recipient_restrictions": (
        "check_recipient_access inline:{ { nobody@gov.example = 550 5.1.1 no such user }, "
        "{ later@gov.example = 450 4.2.1 busy } }, permit_mynetworks, reject"
    ),
    "smtpd_data_restrictions": "check_client_access static:HOLD",
}


def to(recipient: str, key: int, data: bytes | None = None) -> Outgoing:
    return replace(letter(key, data), envelope=Envelope(f"b-{key}@office.example", f"{recipient}@gov.example"))


async def test_real_postfix_holds_what_was_accepted() -> None:
    kinds = {0: "accepted", 1: "refused", 2: "accepted", 3: "deferred", 4: "refused", 5: "accepted"}
    big = b"Subject: big\r\n\r\n" + b"x" * 76 + b"\r\n" * 60_000
    letters = [
        to(name, 6 * turn + n, big if name == "big" else None)
        for turn in range(10)
        for n, name in enumerate(["governor", "nobody", "governor", "later", "big", "minister"])
    ]
    bag = Postbag(letters)

    with postfix.running(**HOLDING) as real:
        error = await run(bag, relay(real.port, connections=3))

        assert error is None
        assert bag.kinds() == {key: kinds[key % 6] for key in range(60)}
        assert {one.key % 6: one.stage for one in bag.told} == {
            **dict.fromkeys((0, 2, 5), "body"),
            **{1: "rcpt", 3: "rcpt", 4: "mail"},
        }
        ids = {queue_id(one.reply.text) for one in bag.told if one.kind == "accepted" and one.reply is not None}
        assert ids == real.held()
        assert len(ids) == 30
