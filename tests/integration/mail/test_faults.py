"""Faults hit what they were told to, in any order of connections."""

from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from tests.docs_pages import blocks, text_of
from uamail.errors import InputError
from uamail.mail import fault_file, fault_words
from uamail.mail.faults import DROP_AFTER_DOT, MIX, Act, Fault, Faults, Moment, Rule, Script
from uamail.mail.sink_house import Limits


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


@pytest.mark.parametrize(
    ("to", "hit"),
    [
        ("gov.example", True),
        ("*.example", True),
        ("governor@gov.example", True),
        ("governor@*", True),
        ("example", False),
        ("mayor@*", False),
    ],
)
def test_rule_chooses_recipients(to: str, hit: bool) -> None:
    plan = Faults((Rule(Fault("rcpt", "drop"), to=to),))

    picked = plan.pick(Moment("rcpt", "a b", 0, 0, "Governor@Gov.example"))

    assert (picked is not None) == hit


def test_first_counts_the_stage() -> None:
    plan = Faults((Rule(Fault("rcpt", "drop"), first=2),))

    assert [plan.pick(Moment("rcpt", "a", 0, n, "b@x.example", n)) is not None for n in range(4)] == [True] * 2 + [
        False
    ] * 2


def test_first_counts_each_domain() -> None:
    plan = Faults((Rule(Fault("rcpt", "drop"), first=1, to="*.example"),))

    assert plan.pick(Moment("rcpt", "a", 0, 7, "b@x.example", 0)) is not None
    assert plan.pick(Moment("rcpt", "a", 0, 7, "b@x.example", 1)) is None


def test_order_draws_whatever_the_ids() -> None:
    plan = Faults(Faults.random(0, 0.5).rules, 7, by_order=True)

    one, other = ([plan.pick(Moment("body", f"{who} {n}", 0, n)) for n in range(200)] for who in "ab")
    changed = [plan.pick(Moment("body", "a", 0, n)) for n in range(200, 400)]

    assert one == other
    assert one != changed
    assert 50 < sum(fault is not None for fault in one) < 150


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
        ("data=cut:7", (Rule(Fault("data", "cut", after=7)),)),
        ("dot=half:3", (Rule(Fault("body", "half", after=3)),)),
        ("helo=lines:9,mail=long:600", (Rule(Fault("helo", "lines", size=9)), Rule(Fault("mail", "long", size=600)))),
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
    assert fault_words.parse(text).rules == rules


def test_command_line_names_seed_and_rate() -> None:
    plan = fault_words.parse("random@0.2,seed=7,rate=50")

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
        fault_words.parse(text)


SCRIPT = """
seed = 7
draw = "order"
preset = "drop-after-dot"
[limits]
per_second = 20
per_connection = 100
connections = 4
[[fault]]
stage = "rcpt"
code = 450
share = 0.05
to = "*.Gov.example"
first = 3
tries = 1
[[fault]]
stage = "dot"
act = "half"
bytes = 4
keeps = true
[[fault]]
stage = "helo"
act = "delay"
seconds = 2.5
"""


def test_file_says_it_all(tmp_path: Path) -> None:
    file = tmp_path / "bad-day.toml"
    file.write_text(SCRIPT)

    found = fault_file.scenario(str(file))

    assert found.faults == Faults(
        (
            Rule(DROP_AFTER_DOT),
            Rule(Fault("rcpt", "reply", 450), 0.05, tries=1, first=3, to="*.gov.example"),
            Rule(Fault("body", "half", after=4, keeps=True)),
            Rule(Fault("helo", "delay", seconds=2.5)),
        ),
        7,
        20,
        by_order=True,
    )
    assert found.limits == Limits(connections=4, per_connection=100)
    assert fault_file.scenario(str(file), seed=8).faults.seed == 8


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed = ", "not TOML"),
        ("sead = 1", "sead"),
        ('preset = "nice"', "ten-percent"),
        ('[[fault]]\nstage = "lunch"\ncode = 450', "fault.0.stage"),
        ('[[fault]]\nstage = "rcpt"', "needs a code"),
        ('[[fault]]\nstage = "rcpt"\nact = "cut"', "content is cut"),
        ('[[fault]]\nstage = "mail"\ncode = 450\nto = "x"', "nobody knows the recipient"),
        ('[[fault]]\nstage = "rcpt"\ncode = 450\ntext = "a\\nb"', "fault.0.text"),
        ('[[fault]]\nstage = "rcpt"\ncode = 450\nshare = 2', "fault.0.share"),
        ("[limits]\nper_second = 0", "limits.per_second"),
    ],
)
def test_file_refuses_nonsense(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "bad-day.toml"
    file.write_text(text)

    with pytest.raises(InputError, match=f"bad-day.toml: .*{told}"):
        fault_file.scenario(str(file))


def test_preset_is_the_mix_of_the_demonstration() -> None:
    assert fault_file.scenario("ten-percent", seed=61).faults == Faults.random(61, 0.1)


def test_scripts_of_the_guide_can_be_read(tmp_path: Path) -> None:
    scripts = [one.text for one in blocks(text_of("operators.md")) if "[[fault]]" in one.text]

    for number, text in enumerate(scripts):
        (tmp_path / f"{number}.toml").write_text(text)
        found = fault_file.scenario(str(tmp_path / f"{number}.toml"))
        assert len(found.faults.rules) == text.count("[[fault]]") + len(MIX)
    assert scripts


def test_guide_names_every_act_and_key() -> None:
    guide = text_of("operators.md").partition("### A mail server that goes wrong")[2].partition("\n## ")[0]

    assert [word for word in (*get_args(Act), *fault_file.KEYS, *fault_words.PRESETS) if f"`{word}`" not in guide] == []
