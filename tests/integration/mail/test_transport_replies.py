"""Whatever a relay says in the middle of a pipelined stream, each letter's outcome is exact to the phase."""

import asyncio
from itertools import product
from typing import Any

import pytest

from tests.support.postbag import Postbag, letter, relay, run
from tests.support.puppet import DROP, GOOD, HANG, Puppet, at, once
from uamail.mail.reply import Stage
from uamail.mail.transport import Outcome

SHORT = 0.4  # seconds: only for what is a wait, and enough for a busy machine to say hello
STAGES: tuple[Stage, ...] = ("mail", "rcpt", "data", "body")
ENVELOPE = STAGES[:3]
LONG = b"no " * 400
HUGE = b"x" * 40_000

REFUSALS = {
    "450": b"450 4.2.1 busy\r\n",
    "451": b"451 4.3.0 local error\r\n",
    "452": b"452 4.3.1 full\r\n",
    "499": b"499\r\n",
    "500": b"500 5.5.2 what\r\n",
    "521": b"521 5.3.2 no mail here\r\n",
    "550": b"550 5.1.1 no such user\r\n",
    "552": b"552 5.3.4 too big\r\n",
    "554": b"554 5.7.1 no\r\n",
    "no text": b"550\r\n",
    "bare LF": b"550 5.1.1 no\n",
    "several lines": b"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n",
    "long line": b"550 5.1.1 " + LONG + b"\r\n",
    "wrong enhanced": b"450 5.1.1 not today\r\n",
    "not text": b"550 5.1.1 \xff\xfe\x00\x1b[31m\r\n",
}
NONSENSE = {
    "garbage": b"what do you mean\r\n",
    "empty line": b"\r\n",
    "letters for a code": b"2xx fine\r\n",
    "code run on": b"2500 fine\r\n",
    "code 199": b"199 well\r\n",
    "code 600": b"600 well\r\n",
    "two codes": b"250-fine\r\n550 not fine\r\n",
    "endless line": HUGE,
    "huge reply": b"250-" + HUGE[:30_000] + b"\r\n250 " + HUGE[:10_000] + b"\r\n",
    "huge line": b"250 " + HUGE + b"\r\n",
    "endless lines": b"250-and\r\n" * 5000,
}


async def outcome(puppet: Puppet, **waits: Any) -> Postbag:
    """Three letters over one connection at a time; the fault concerns the second, unless it ends the first's."""
    bag = Postbag(letter(key) for key in (1, 2, 3))
    assert await run(bag, relay(puppet.port, **waits)) is None
    return bag


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("stage", STAGES)
async def test_refusal_concerns_one_letter(stage: Stage, name: str) -> None:
    said = REFUSALS[name]

    async with Puppet(at(stage, said, 2)) as puppet:
        bag = await outcome(puppet)

        assert bag.places() == {
            1: ("accepted", "body"),
            2: ("deferred" if said.startswith(b"4") else "refused", stage),
            3: ("accepted", "body"),
        }
        told = bag.told[1].reply
        assert told is not None
        assert (told.code, "\x1b" in told.text) == (int(said[:3]), False)
        assert (puppet.connections, [m for m in puppet.mails if m != 2]) == (1, [1, 3])


async def test_enhanced_code_of_another_class_is_left_out() -> None:
    async with Puppet(at("rcpt", REFUSALS["wrong enhanced"], 2)) as puppet:
        bag = await outcome(puppet)

        assert bag.told[1].reply is not None
        assert bag.told[1].reply.enhanced is None


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("stage", ENVELOPE)
async def test_nonsense_before_content_is_unsent(stage: Stage, name: str) -> None:
    async with Puppet(at(stage, NONSENSE[name], 2)) as puppet:
        bag = await outcome(puppet, command=5, data=5)

        # A line without an end swallows the replies behind it, and may show only when it is too long.
        assert bag.kinds() == {1: "accepted", 2: "unsent", 3: "accepted"}
        assert bag.told[1].stage == stage
        assert bag.told[1].error
        assert (puppet.mails, puppet.connections) == ([1, 3], 2)
        assert ("begin", 2) not in bag.notes


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_after_content_is_uncertain(name: str) -> None:
    async with Puppet(at("body", NONSENSE[name], 2)) as puppet:
        bag = await outcome(puppet, dot=5)

        # The third letter's envelope went out behind the content: nothing of the letter itself did.
        assert bag.places() == {1: ("accepted", "body"), 2: ("uncertain", "body"), 3: ("unsent", "mail")}
        assert puppet.mails == [1, 2]


@pytest.mark.parametrize("code", [199, 300, 354, 600, 999])
async def test_code_without_meaning_after_content_is_uncertain(code: int) -> None:
    async with Puppet(at("body", b"%d well\r\n" % code, 2)) as puppet:
        bag = await outcome(puppet)

        assert bag.kinds()[2] == "uncertain"


@pytest.mark.parametrize("stage", STAGES)
async def test_421_ends_the_connection(stage: Stage) -> None:
    async with Puppet(once(stage, b"421 4.3.2 closing\r\n" + DROP, 2)) as puppet:
        bag = await outcome(puppet)

        # At MAIL it bids farewell to an old connection: the letter goes through a new one.
        second = ("accepted", "body") if stage == "mail" else ("deferred", stage)
        third = ("unsent", "mail") if stage == "body" else ("accepted", "body")
        assert bag.places() == {1: ("accepted", "body"), 2: second, 3: third}
        assert puppet.connections == (1 if stage == "body" else 2)


@pytest.mark.parametrize("stage", ENVELOPE)
async def test_421_to_the_first_letter_is_told(stage: Stage) -> None:
    async with Puppet(at(stage, b"421 4.3.2 closing\r\n" + DROP, 1)) as puppet:
        bag = await outcome(puppet)

        assert bag.places()[1] == ("deferred", stage)
        assert puppet.mails == [2, 3]


@pytest.mark.parametrize("stage", ENVELOPE)
async def test_drop_before_content_is_unsent(stage: Stage) -> None:
    async with Puppet(at(stage, DROP, 1)) as puppet:
        bag = await outcome(puppet)

        assert bag.places() == {1: ("unsent", stage), 2: ("accepted", "body"), 3: ("accepted", "body")}
        assert bag.told[0].error == "the relay closed the connection"


@pytest.mark.parametrize("said", [DROP, b"25" + DROP, b"250-fine\r\n" + DROP, b"250 fine\r" + DROP])
async def test_drop_after_the_dot_is_uncertain(said: bytes) -> None:
    async with Puppet(at("body", said, 2)) as puppet:
        bag = await outcome(puppet)

        assert bag.places() == {1: ("accepted", "body"), 2: ("uncertain", "body"), 3: ("unsent", "mail")}
        assert puppet.mails == [1, 2]


@pytest.mark.parametrize("stage", ENVELOPE)
async def test_delay_before_content_is_unsent(stage: Stage) -> None:
    name = "data" if stage == "data" else "command"

    async with Puppet(at(stage, HANG, 2)) as puppet:
        bag = await outcome(puppet, **{name: SHORT})

        assert bag.places() == {1: ("accepted", "body"), 2: ("unsent", stage), 3: ("accepted", "body")}
        assert bag.told[1].error == "no reply in time"


async def test_delay_after_content_is_uncertain() -> None:
    async with Puppet(at("body", HANG, 2)) as puppet:
        bag = await outcome(puppet, dot=SHORT)

        assert bag.places() == {1: ("accepted", "body"), 2: ("uncertain", "body"), 3: ("unsent", "mail")}


@pytest.mark.parametrize("after", [b"", DROP, b"what\r\n", GOOD["mail"] + GOOD["rcpt"] + GOOD["data"]])
async def test_acceptance_before_the_end_is_uncertain(after: bytes) -> None:
    async with Puppet() as puppet:
        puppet.early = GOOD["body"] + after
        bag = Postbag([letter(1, b"x" * 76 * 200_000)])
        await run(bag, relay(puppet.port))

        assert bag.places() == {1: ("uncertain", "body")}


async def test_outcome_does_not_wait_for_the_next_envelope() -> None:
    bag = Postbag(letter(key) for key in (1, 2))

    async with Puppet(at("mail", HANG, 2)) as puppet:
        task = asyncio.create_task(run(bag, relay(puppet.port)))
        async with asyncio.timeout(5):
            while not bag.told:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert bag.kinds() == {1: "accepted"}


@pytest.mark.parametrize("late", ["450", "550"])
@pytest.mark.parametrize("then", [GOOD["data"], b"554 5.5.1 no valid recipients\r\n", b"421 bye\r\n" + DROP, DROP])
async def test_refused_recipient_is_told_whatever_data_gets(late: str, then: bytes) -> None:
    def say(stage: Stage, key: int) -> bytes | None:
        return {"rcpt": REFUSALS[late], "data": then}.get(stage) if key == 2 else None

    async with Puppet(say) as puppet:
        bag = await outcome(puppet)

        assert bag.places()[2] == ("deferred" if late == "450" else "refused", "rcpt")
        assert (bag.kinds()[3], puppet.mails) == ("accepted", [1, 3])
        assert ("begin", 2) not in bag.notes
        # A 354 all the same is answered with the dot alone, to no recipient.
        assert ("dot" in puppet.log) is then.startswith(b"354")


async def test_farewell_after_too_many_errors_leaves_the_refusal() -> None:
    def say(stage: Stage, key: int) -> bytes | None:
        too_many = b"554 5.5.1 no valid recipients\r\n421 4.7.0 too many errors\r\n" + DROP
        return {"rcpt": b"550 5.1.1 no\r\n", "data": too_many}.get(stage) if key == 2 else None

    async with Puppet(say) as puppet:
        bag = await outcome(puppet)

        assert bag.kinds() == {1: "accepted", 2: "refused", 3: "accepted"}


async def test_refused_sender_with_welcome_recipient_sends_no_dot() -> None:
    def say(stage: Stage, key: int) -> bytes | None:
        return b"451 4.3.0 not now\r\n" if (stage, key) == ("mail", 2) else GOOD[stage]

    async with Puppet(say) as puppet:
        bag = await outcome(puppet)  # RCPT and DATA are granted all the same: these replies are of something else

        assert (bag.kinds()[2], puppet.log.count("dot"), puppet.mails) == ("unsent", 0, [1, 3])


@pytest.mark.parametrize(("stage", "extra"), list(product(ENVELOPE, [b"250 and one more\r\n", b"550 no\r\n"])))
async def test_reply_too_many_sends_nothing(stage: Stage, extra: bytes) -> None:
    async with Puppet(at(stage, GOOD[stage] + extra, 2)) as puppet:
        bag = await outcome(puppet)

        assert bag.kinds()[2] != "accepted"
        assert 2 not in puppet.mails
        assert ("begin", 2) not in bag.notes


async def test_reply_too_many_after_content_moves_nothing() -> None:
    async with Puppet(at("body", GOOD["body"] + b"250 and one more\r\n", 2)) as puppet:
        bag = await outcome(puppet)

        assert bag.places() == {1: ("accepted", "body"), 2: ("accepted", "body"), 3: ("unsent", "data")}
        assert puppet.mails == [1, 2]


async def test_reply_too_many_is_not_taken_for_the_next() -> None:
    class Growing(Postbag):
        async def keep(self, outcome: Outcome) -> None:
            await super().keep(outcome)
            if outcome.key < 3:
                self.add(letter(outcome.key + 1))

    bag = Growing([letter(1)])
    async with Puppet(at("body", GOOD["body"] + b"250 and one more\r\n", 1)) as puppet:
        await run(bag, relay(puppet.port))

        assert bag.kinds() == dict.fromkeys((1, 2, 3), "accepted")
        assert puppet.connections == 2


async def test_flood_of_replies_is_cut_off() -> None:
    async with Puppet(at("body", GOOD["body"] * 1000, 2)) as puppet:
        bag = await outcome(puppet)

        assert (bag.kinds()[2], bag.kinds()[3], puppet.mails) == ("accepted", "unsent", [1, 2])


async def test_queue_id_and_words_of_acceptance_are_kept() -> None:
    said = b"250-2.0.0 Ok: queued\r\n250 2.0.0 as  4F1A2B3C4D\r\n"

    async with Puppet(at("body", said, 2)) as puppet:
        bag = await outcome(puppet)

        assert [str(one.reply) for one in bag.told[:2]] == [
            "250 2.0.0 Ok: queued as ABCDE12345",
            "250 2.0.0 Ok: queued as 4F1A2B3C4D",
        ]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("stage", STAGES)
async def test_two_hundred_and_fifty_one_is_a_yes(stage: Stage, pipelining: bool) -> None:
    said = b"354 go\r\n" if stage == "data" else b"251 will forward\r\n"

    async with Puppet(at(stage, said), pipelining=pipelining) as puppet:
        bag = await outcome(puppet)

        assert bag.kinds() == dict.fromkeys((1, 2, 3), "accepted")


async def test_failing_reset_costs_no_letter() -> None:
    async with Puppet(at("rcpt", b"550 no\r\n", 1), reset=b"503 no\r\n") as puppet:
        bag = await outcome(puppet)

        assert bag.kinds() == {1: "refused", 2: "accepted", 3: "accepted"}
        assert puppet.connections == 2
