"""Fitting an address into a box: shrink, break, refuse."""

import pytest

from uamail.errors import MissingGlyph, PrintError
from uamail.printing import fitting
from uamail.printing.postal import AddressLine


def latin(*texts: str) -> list[AddressLine]:
    return [AddressLine(text, "en", "Latn") for text in texts]


def rows(lines: list[AddressLine], *, width: float, height: float = 100) -> list[str]:
    return [row.text for row in fitting.fit(lines, width=width, height=height, size=10, floor=8).rows]


def test_short_address_keeps_its_size() -> None:
    fitted = fitting.fit(latin("1 Example Street"), width=80, height=30, size=12, floor=8)

    assert (fitted.size, len(fitted.rows)) == (12, 1)


def test_long_line_shrinks_before_it_breaks() -> None:
    fitted = fitting.fit(latin("A rather long line of an address"), width=52, height=30, size=12, floor=8)

    assert 8 <= fitted.size < 12
    assert len(fitted.rows) == 1


def test_many_lines_shrink_to_the_height() -> None:
    fitted = fitting.fit(latin(*["Line"] * 8), width=80, height=27, size=12, floor=8)

    assert fitted.size < 12
    assert fitted.height <= 27


def test_line_breaks_between_words() -> None:
    assert rows(latin("Department of Rather Long Official Names"), width=40) == [
        "Department of Rather",
        "Long Official Names",
    ]


def test_chinese_breaks_but_never_inside_a_number() -> None:
    broken = rows([AddressLine("示例自治区示例市830041示例区示例路479号", "zh-Hans", "Hans")], width=32)

    assert "".join(broken) == "示例自治区示例市830041示例区示例路479号"
    assert len(broken) > 1
    assert any("830041" in row for row in broken)


def test_closing_punctuation_never_starts_a_row() -> None:
    broken = rows([AddressLine("示" * 11 + "，" + "例" * 11, "zh-Hans", "Hans")], width=11 * 8 * fitting.MM_PER_PT)

    assert len(broken) > 1
    assert not any(row.startswith("，") for row in broken)


def test_later_rows_are_marked_as_continued() -> None:
    fitted = fitting.fit(latin("Department of Rather Long Names"), width=30, height=40, size=10, floor=8)

    assert [row.continued for row in fitted.rows] == [False] + [True] * (len(fitted.rows) - 1)


@pytest.mark.parametrize(
    ("width", "height", "text"),
    [(30, 40, "Donaudampfschifffahrtsgesellschaftsdirektion"), (80, 5, "Line one\nLine two")],
)
def test_address_without_room_is_refused(width: float, height: float, text: str) -> None:
    with pytest.raises(PrintError, match=text.split("\n", maxsplit=1)[0]):
        fitting.fit(latin(*text.split("\n")), width=width, height=height, size=12, floor=8)


def test_character_without_a_font_is_refused() -> None:
    with pytest.raises(MissingGlyph, match=r"U\+E000"):
        fitting.fit(latin("Example \ue000"), width=80, height=40, size=12, floor=8)
