"""Faults as a person types them: one word for a usual kind of bad day, or a list of what goes wrong where."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from uamail.errors import InputError
from uamail.mail.faults import DROP_AFTER_DOT, STAGES, Act, Fault, Faults, Rule
from uamail.mail.reply import Stage

# What a stage may be told on the command line beside a code.
WORDS: Final[tuple[Act, ...]] = ("garbage", "double", "delay", "drip", "endless", "lines", "long", "half", "drop")
TIMED: Final = ("delay", "drip", "endless")

PRESETS: Final[Mapping[str, Faults]] = {
    # The mix of the demonstration: about every tenth mail meets something.
    "ten-percent": Faults.random(0, 0.1),
    # Who was never seen before is put off once, as greylisting does.
    "greylist": Faults.once(Fault("rcpt", "reply", 450, "4.2.0 greylisted, try again in 1 second")),
    # A server that takes its time for everything.
    "tarpit": Faults.always(*(Fault(stage, "delay", seconds=2) for stage in ("helo", "mail", "rcpt", "body"))),
    # Mails are taken and the answer is lost: every one of them becomes uncertain.
    "drop-after-dot": Faults.always(DROP_AFTER_DOT),
}

_NAMED: Final[Mapping[str, Callable[[str], Fault]]] = {
    "drop-mid-body": lambda value: Fault("body", "cut", after=int(value or 200)),
    "drop-after-dot": lambda _: DROP_AFTER_DOT,
    "lose-after-dot": lambda _: Fault("body", "drop"),
}
_ITEM = re.compile(r"(?P<name>[a-z-]+)(?:=(?P<value>[a-z0-9]+)(?::(?P<number>[\d.]+))?)?(?:@(?P<share>[\d.]+))?")


def parse(text: str, *, seed: int = 0) -> Faults:
    """From the command line: `rcpt=450@0.05,drop-after-dot@0.02,mail=delay:2,rate=20,random@0.1`.

    Each item is STAGE=CODE, STAGE=garbage|double|drop|endless|delay:S|drip:S|lines:N|long:N|half:BYTES,
    data=cut:BYTES, drop-mid-body[=BYTES], drop-after-dot (kept), lose-after-dot (not kept), random, seed=N or rate=N,
    and its share after an @. The stage after the dot is `dot` (or `body`). Raises InputError.
    """
    items = [item for item in map(str.strip, text.split(",")) if item]
    numbers = dict(item.split("=", 1) for item in items if item.startswith(("seed=", "rate=")))
    rules = tuple(rule for item in items if not item.startswith(("seed=", "rate=")) for rule in _rules(item))
    rate = _number(numbers["rate"], text) if "rate" in numbers else None
    return Faults(rules, int(_number(numbers.get("seed", str(seed)), text)), rate)


def stage_of(name: str) -> Stage | None:
    """The stage of that name; `dot` is what a person calls what follows the final dot."""
    return next((stage for stage in STAGES if stage == ("body" if name == "dot" else name)), None)


def _rules(item: str) -> Iterator[Rule]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise InputError(f"fault {item!r}: write STAGE=CODE@SHARE, for example rcpt=450@0.05")
    share = _number(match["share"] or "1", item)
    if not 0 <= share <= 1:
        raise InputError(f"fault {item!r}: a share lies between 0 and 1")
    if match["name"] == "random":
        yield from Faults.random(0, share if match["share"] else 0.1).rules
    else:
        yield Rule(_fault(item, match["name"], match["value"] or "", match["number"]), share)


def _fault(item: str, name: str, value: str, number: str | None) -> Fault:
    if name in _NAMED and (not value or value.isdigit()):
        return _NAMED[name](value)
    stage = stage_of(name)
    if stage is None:
        raise InputError(f"fault {item!r}: {name} is no stage; there are {', '.join((*STAGES, 'dot', *_NAMED))}")
    if value.isdigit() and 400 <= int(value) < 600:
        return Fault(stage, "reply", int(value))
    if value == "cut" and stage == "data":
        return Fault(stage, "cut", after=int(_number(number or "0", item)))
    act = next((act for act in WORDS if act == value), None)
    if act is None:
        raise InputError(f"fault {item!r}: {value or 'nothing'} is neither a code from 400 to 599 nor a misbehaviour")
    return _misbehaving(stage, act, _number(number or ("1" if act in TIMED else "0"), item))


def _misbehaving(stage: Stage, act: Act, number: float) -> Fault:
    if act in TIMED:
        return Fault(stage, act, seconds=number)
    return Fault(stage, act, after=int(number)) if act == "half" else Fault(stage, act, size=int(number))


def _number(text: str, item: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"fault {item!r}: {text!r} is no number") from None
