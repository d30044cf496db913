"""Faults: how the sink misbehaves on command, at which stage, and for which messages."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import Literal, Protocol, Self, get_args

from uamail.mail.reply import Stage

Act = Literal["reply", "garbage", "double", "delay", "drip", "endless", "lines", "long", "half", "drop", "cut"]
STAGES: tuple[Stage, ...] = get_args(Stage)

# Reply texts as real servers give them; any other code gets its class alone (RFC 3463 2).
TEXTS: Mapping[int, str] = {
    421: "4.3.2 service closing, try again later",
    450: "4.2.0 greylisted, try again in 5 minutes",
    451: "4.3.0 local error in processing",
    452: "4.3.1 insufficient system storage",
    535: "5.7.8 authentication credentials invalid",
    550: "5.1.1 no such user here",
    552: "5.3.4 message too big",
    554: "5.7.1 content refused",
}


@dataclass(frozen=True)
class Fault:
    """One misbehaviour at one stage (`body` is what follows the final dot, except for `cut`).

    `reply` answers `code text` instead; `garbage` answers no SMTP; `double` adds a second reply to the right one;
    `delay` waits `seconds` first; `drip` sends a byte every `seconds`; `endless` never ends its `250-` lines;
    `lines` and `long` answer in `size` lines more or in a line with `size` characters more; these four give the right
    answer unless there is a `code`. `half` closes after `after` bytes of its reply, `drop` without any. `cut` closes
    after `after` bytes of content: at `body` not before the header is complete, at `data` anywhere.
    `keeps`: whether a mail refused, dropped or garbled after the dot was taken nevertheless, which is how duplicates
    are born.
    """

    stage: Stage
    act: Act
    code: int = 0
    text: str = ""
    seconds: float = 0.0
    after: int = 0
    size: int = 0
    keeps: bool = False

    @property
    def name(self) -> str:
        """What the sink's list and counts call it: `451 at dot`, `drop at dot, kept`."""
        words = str(self.code) if self.act == "reply" else f"{self.act} {self.code}" if self.code else self.act
        return f"{words} at {'dot' if self.stage == 'body' else self.stage}{', kept' if self.keeps else ''}"

    def line(self) -> str:
        """The reply line it gives, without the line end."""
        return f"{self.code} {self.text or TEXTS.get(self.code, f'{self.code // 100}.0.0 refused')}"


@dataclass(frozen=True)
class Moment:
    """What the sink knows when it asks: the stage, whom it concerns, and how often it was there before.

    `who` is the connection's number up to `auth`, envelope sender and recipient up to `data`, then recipient and
    Message-ID; `tries` counts earlier visits of the same `who`, `nth` those of anyone, `nth_there` those for the same
    domain as `recipient`, which is known from `rcpt` on.
    """

    stage: Stage
    who: str
    tries: int
    nth: int
    recipient: str = ""
    nth_there: int = 0


class Plan(Protocol):
    """Whatever decides on faults. `rate` is the most MAIL commands a second, None for no limit."""

    @property
    def rate(self) -> float | None: ...

    def pick(self, moment: Moment) -> Fault | None: ...


@dataclass(frozen=True)
class Script:
    """Faults in the order of arrival: the n-th visit of a stage meets the n-th entry of that stage (None = none)."""

    faults: Sequence[Fault | None]
    rate: float | None = None

    def pick(self, moment: Moment) -> Fault | None:
        mine = [f for f in self.faults if f is None or f.stage == moment.stage]
        return mine[moment.nth] if moment.nth < len(mine) else None


@dataclass(frozen=True)
class Rule:
    """A fault and the share of visits it hits (0 to 1).

    `tries`: on the first so many tries of a message only. `to`: only for recipients like this pattern, which is one
    for the whole address when it has an @ and for its domain otherwise. `first`: only on the first so many visits of
    the stage, or with `to` of each domain there.
    """

    fault: Fault
    share: float = 1.0
    tries: int | None = None
    first: int | None = None
    to: str = ""

    def concerns(self, moment: Moment) -> bool:
        """Whether this visit is one of those the rule is about, before any draw."""
        if moment.stage != self.fault.stage or (self.tries is not None and moment.tries >= self.tries):
            return False
        if self.first is not None and (moment.nth_there if self.to else moment.nth) >= self.first:
            return False
        recipient = moment.recipient.lower()
        return not self.to or fnmatchcase(recipient if "@" in self.to else recipient.rpartition("@")[2], self.to)


@dataclass(frozen=True)
class Faults:
    """Rules drawn by hash, not by chance: the same seed hits the same tries of the same messages in any order.

    Before the content is known a message is told by its envelope, so senders should differ per message (VERP).
    `by_order` draws for the n-th visit of a stage instead: the same numbers whoever sends, whatever the ids are.
    """

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    rate: float | None = None
    by_order: bool = False

    @classmethod
    def always(cls, *faults: Fault) -> Self:
        """Each of them, every time."""
        return cls(tuple(Rule(f) for f in faults))

    @classmethod
    def once(cls, *faults: Fault) -> Self:
        """Each of them, on a message's first try only (as greylisting does)."""
        return cls(tuple(Rule(f, tries=1) for f in faults))

    @classmethod
    def random(cls, seed: int, share: float = 0.1) -> Self:
        """The mix of a bad day; about `share` of all transactions are hit."""
        return cls(tuple(Rule(fault, share * part) for fault, part in MIX), seed)

    def pick(self, moment: Moment) -> Fault | None:
        """The fault that hits this visit, or None."""
        mine = [r for r in self.rules if r.concerns(moment)]
        drawn = self._draw(moment) if mine else 1.0
        edges = accumulate(r.share for r in mine)
        return next((r.fault for r, edge in zip(mine, edges, strict=True) if drawn < edge), None)

    def _draw(self, moment: Moment) -> float:
        """A number from 0 to below 1 that depends on nothing but seed, stage, and message and try (or order)."""
        who = f"{moment.nth}" if self.by_order else f"{moment.who}\0{moment.tries}"
        words = f"{self.seed}\0{moment.stage}\0{who}"
        return int.from_bytes(hashlib.sha256(words.encode()).digest()[:6], "big") / 2**48


DROP_AFTER_DOT = Fault("body", "drop", keeps=True)

# Shares of the mix: mostly what passes, little of what lasts.
MIX: tuple[tuple[Fault, float], ...] = (
    # Busy, not greylisting: who greylists is not asked again for five minutes.
    (Fault("rcpt", "reply", 450, "4.2.1 mailbox busy, try again later"), 0.35),
    (Fault("body", "reply", 451), 0.30),
    (Fault("body", "cut", after=200), 0.15),
    (DROP_AFTER_DOT, 0.15),
    (Fault("rcpt", "reply", 550), 0.05),
)
