"""Faults: how the sink misbehaves on command, at which stage, and for which messages."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, Protocol, Self, get_args

from uamail.errors import InputError
from uamail.mail.reply import Stage

Act = Literal["reply", "garbage", "double", "delay", "drip", "endless", "drop", "cut"]
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
    `drop` closes without an answer; `cut` closes after `after` bytes of content, not before
    the header is complete. `keeps`: whether a mail dropped or
    garbled after the dot was taken nevertheless, which is how duplicates are born.
    """

    stage: Stage
    act: Act
    code: int = 0
    text: str = ""
    seconds: float = 0.0
    after: int = 0
    keeps: bool = False

    def line(self) -> str:
        """The reply line it gives, without the line end."""
        return f"{self.code} {self.text or TEXTS.get(self.code, f'{self.code // 100}.0.0 refused')}"


@dataclass(frozen=True)
class Moment:
    """What the sink knows when it asks: the stage, whom it concerns, and how often it was there before.

    `who` is the connection's number up to `auth`, envelope sender and recipient up to `data`, then recipient and
    Message-ID; `tries` counts earlier visits of the same `who`, `nth` those of anyone.
    """

    stage: Stage
    who: str
    tries: int
    nth: int


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
    """A fault and the share of visits it hits (0 to 1), on the first `tries` tries of a message only if given."""

    fault: Fault
    share: float = 1.0
    tries: int | None = None


@dataclass(frozen=True)
class Faults:
    """Rules drawn by hash, not by chance: the same seed hits the same tries of the same messages in any order.

    Before the content is known a message is told by its envelope, so senders should differ per message (VERP).
    """

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    rate: float | None = None

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

    @classmethod
    def parse(cls, text: str, *, seed: int = 0) -> Self:
        """From the command line: `rcpt=450@0.05,drop-after-dot@0.02,mail=delay:2,rate=20,random@0.1`.

        Each item is STAGE=CODE, STAGE=garbage|double|drop|endless|delay:S|drip:S, drop-mid-body[=BYTES],
        drop-after-dot (kept), lose-after-dot (not kept), random, seed=N or rate=N, and its share after an @.
        Raises InputError.
        """
        items = [item for item in map(str.strip, text.split(",")) if item]
        numbers = dict(item.split("=", 1) for item in items if item.startswith(("seed=", "rate=")))
        rules = tuple(rule for item in items if not item.startswith(("seed=", "rate=")) for rule in _rules(item))
        rate = _number(numbers["rate"], text) if "rate" in numbers else None
        return cls(rules, int(_number(numbers.get("seed", str(seed)), text)), rate)

    def pick(self, moment: Moment) -> Fault | None:
        """The fault that hits this visit, or None."""
        mine = [r for r in self.rules if r.fault.stage == moment.stage and (r.tries is None or moment.tries < r.tries)]
        drawn = self._draw(moment) if mine else 1.0
        edges = accumulate(r.share for r in mine)
        return next((r.fault for r, edge in zip(mine, edges, strict=True) if drawn < edge), None)

    def _draw(self, moment: Moment) -> float:
        """A number from 0 to below 1 that depends on nothing but seed, stage, message and try."""
        words = f"{self.seed}\0{moment.stage}\0{moment.who}\0{moment.tries}"
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

NAMED: Mapping[str, Callable[[str], Fault]] = {
    "drop-mid-body": lambda value: Fault("body", "cut", after=int(value or 200)),
    "drop-after-dot": lambda _: DROP_AFTER_DOT,
    "lose-after-dot": lambda _: Fault("body", "drop"),
}
ITEM = re.compile(r"(?P<name>[a-z-]+)(?:=(?P<value>[a-z0-9]+)(?::(?P<seconds>[\d.]+))?)?(?:@(?P<share>[\d.]+))?")


def _rules(item: str) -> Iterator[Rule]:
    match = ITEM.fullmatch(item)
    if match is None:
        raise InputError(f"fault {item!r}: write STAGE=CODE@SHARE, for example rcpt=450@0.05")
    share = _number(match["share"] or "1", item)
    if not 0 <= share <= 1:
        raise InputError(f"fault {item!r}: a share lies between 0 and 1")
    if match["name"] == "random":
        yield from Faults.random(0, share if match["share"] else 0.1).rules
    else:
        yield Rule(_fault(item, match["name"], match["value"] or "", _number(match["seconds"] or "1", item)), share)


def _fault(item: str, name: str, value: str, seconds: float) -> Fault:
    if name in NAMED and (not value or value.isdigit()):
        return NAMED[name](value)
    if name not in STAGES:
        raise InputError(f"fault {item!r}: {name} is no stage; there are {', '.join((*STAGES, *NAMED))}")
    stage = next(s for s in STAGES if s == name)
    if value.isdigit() and 400 <= int(value) < 600:
        return Fault(stage, "reply", int(value))
    for act in ("garbage", "double", "drop", "endless", "delay", "drip"):
        if value == act:
            return Fault(stage, act, seconds=seconds if act in ("delay", "drip", "endless") else 0.0)
    raise InputError(f"fault {item!r}: {value or 'nothing'} is neither a code from 400 to 599 nor a misbehaviour")


def _number(text: str, item: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"fault {item!r}: {text!r} is no number") from None
