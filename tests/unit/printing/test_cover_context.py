"""What the cover sheet says, before it is drawn."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from uamail.errors import MissingGlyph
from uamail.printing import cover
from uamail.printing.postal import AddressLine

FACTS = cover.CoverFacts(
    batch_id="B12",
    ua="61/21, second",
    index="ASA 17/5905/2022",
    office="Example Office",
    languages=("zh-Hant", "en"),
    mode="individual",
    address=(AddressLine("示例路1号", "zh-Hans", "Hans"), AddressLine("CHINA", "en", "Latn")),
    addressees=(
        cover.AddresseeCount("Secretary Example", "en", 1200, 2400, 1200, 5987.52),
        cover.AddresseeCount("Chairman Example", "en", 2, 3, 2, 9.98),
    ),
    profile="din5008-b",
    duplex=True,
    grammage=80.0,
)


def held(*letters: int) -> Sequence[cover.HeldReason]:
    return [cover.HeldReason(f"reason {n}", [f"L{i}" for i in range(count)]) for n, count in enumerate(letters)]


def test_totals_are_the_sum_of_addressees() -> None:
    total = cover.context(FACTS)["total"]

    assert (total["letters"], total["pages"], total["sheets"], total["weight"]) == (
        "1,202",
        "2,403",
        "1,202",
        "6.00 kg",
    )


@pytest.mark.parametrize(("grams", "words"), [(4.99, "5 g"), (999.4, "999 g"), (1000, "1.00 kg"), (6157.2, "6.16 kg")])
def test_weight_reads_as_on_a_scale(grams: float, words: str) -> None:
    assert cover.weight(grams) == words


def test_deadline_is_left_out_when_open() -> None:
    assert "Deadline" not in [fact["term"] for fact in cover.context(FACTS)["facts"]]
    dated = cover.context(replace(FACTS, deadline="23 September 2022"))
    assert {"term": "Deadline", "value": "23 September 2022"} in dated["facts"]


def test_hand_delivery_is_not_franked() -> None:
    steps = cover.context(replace(FACTS, mode="hand-delivery"))["steps"]

    assert "Franked" not in steps
    assert "Handed over, receipt signed" in steps


def test_long_lists_of_held_pieces_are_cut() -> None:
    context = cover.context(replace(FACTS, held=held(30, *[1] * 9)))

    assert context["held_total"] == "39"
    assert context["held"][0]["references"].count(",") == 11
    assert context["held"][0]["more"] == 18
    assert (len(context["held"]), context["held_more"]) == (8, 2)


def test_character_without_a_font_is_refused() -> None:
    with pytest.raises(MissingGlyph, match=r"U\+E001"):
        cover.context(replace(FACTS, office="Office \ue001"))
