"""Faults hit what they were told to, in any order of connections."""

from itertools import product

import pytest

from uamail.errors import InputError
from uamail.mail.faults import MIX, Fault, Faults, Moment, Rule, Script


def moments(stage: str, count: int) -> list[Moment]:
    named = next(f.stage for f, _ in MIX if f.stage == stage)
    return [Moment(named, f"b-{n}@office.example governor@gov.example", tries=0, nth=n) for n in range(count)]


def hits(plan: Faults, stage: str, count: int = 4000) -> float:
    return sum(plan.pick(m) is not None for m in moments(stage, count)) / count


def test_random_hits_its_share() -> None:
    plan = Faults.random(1, 0.1)

    assert hits(plan, "rcpt") == pytest.approx(0.04, abs=0.01)
    assert hits(plan, "body") == pytest.approx(0.06, abs=0.012)


def test_mix_adds_up() -> None:
    assert sum(part for _, part in MIX) == pytest.approx(1)


def test_draw_ignores_order() -> None:
    plan = Faults.random(1, 0.5)
    one = Moment("rcpt", "a b", tries=2, nth=0)
    same = Moment("rcpt", "a b", tries=2, nth=99)

    assert plan.pick(one) == plan.pick(same)


@pytest.mark.parametrize("other", ["seed", "tries", "who"])
def test_draw_depends_on(other: str) -> None:
    def picks(seed: int, tries: int, suffix: str) -> list[Fault | None]:
        plan = Faults.random(seed, 0.5)
        return [plan.pick(Moment("rcpt", f"{n}{suffix}", tries, 0)) for n in range(50)]

    changed = {"seed": (2, 0, ""), "tries": (1, 1, ""), "who": (1, 0, "x")}[other]
    assert picks(1, 0, "") == picks(1, 0, "")
    assert picks(1, 0, "") != picks(*changed)


def test_once_hits_the_first_try_only() -> None:
    plan = Faults.once(Fault("rcpt", "reply", 450))
    first, second = (plan.pick(Moment("rcpt", "a b", tries=t, nth=0)) for t in range(2))

    assert first is not None
    assert second is None


def test_script_counts_each_stage() -> None:
    plan = Script((Fault("mail", "drop"), None, Fault("rcpt", "drop")))

    found = {(s, n): plan.pick(Moment(s, "", 0, n)) for s, n in product(("mail", "rcpt"), range(3))}  # type: ignore[arg-type]
    assert [k for k, fault in found.items() if fault] == [("mail", 0), ("rcpt", 1)]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ()),
        ("rcpt=450@0.05", (Rule(Fault("rcpt", "reply", 450), 0.05),)),
        ("mail=delay:2.5", (Rule(Fault("mail", "delay", seconds=2.5)),)),
        ("data=garbage@1", (Rule(Fault("data", "garbage")),)),
        ("drop-after-dot@0.02", (Rule(Fault("body", "drop", keeps=True), 0.02),)),
        ("lose-after-dot", (Rule(Fault("body", "drop")),)),
        ("drop-mid-body=99@.5", (Rule(Fault("body", "cut", after=99), 0.5),)),
        (
            " connect=421 , body=554@0.1 ",
            (Rule(Fault("connect", "reply", 421)), Rule(Fault("body", "reply", 554), 0.1)),
        ),
    ],
)
def test_command_line_names_faults(text: str, rules: tuple[Rule, ...]) -> None:
    assert Faults.parse(text).rules == rules


def test_command_line_names_seed_and_rate() -> None:
    plan = Faults.parse("random@0.2,seed=7,rate=50")

    assert plan == Faults(Faults.random(7, 0.2).rules, 7, 50.0)


@pytest.mark.parametrize(
    "text",
    [
        "rcpt",
        "rcpt=250",
        "rcpt=600",
        "rcpt=450@2",
        "rcpt=450@x",
        "lunch=450",
        "rcpt=450=451",
        "rate=fast",
        "mail=delay:.",
        "drop-mid-body=soon",
        "seed=",
        "rcpt=cut",
    ],
)
def test_command_line_refuses_nonsense(text: str) -> None:
    with pytest.raises(InputError, match="fault"):
        Faults.parse(text)
