"""The HTML of a chunk of letters: its frame, its fonts and its geometry, before any layout."""

from dataclasses import replace

from uamail.printing import page, profile

LETTER = page.PieceSource(number=7, html="<p>Words</p>", language="ug", direction="rtl", text="Words")


def test_letter_carries_language_and_direction() -> None:
    html = page.document([LETTER], profile=profile.load("din5008-b"), css="")

    assert 'lang="ug" dir="rtl"' in html
    assert '[lang="ug"] { font-family: "Noto Naskh Arabic"' in html


def test_attributes_cannot_be_broken_out_of() -> None:
    hostile = replace(LETTER, language='en"><script>', direction='ltr" onload="x')

    html = page.document([hostile], profile=profile.load("uk"), css="")

    assert "<script>" not in html
    assert '" onload="x"' not in html


def test_escaped_words_add_no_font_rule() -> None:
    words = replace(LETTER, html="<p>lang=&#34;ja&#34;</p>")

    html = page.document([words], profile=profile.load("uk"), css="")

    assert '[lang="ja"]' not in html


def test_duplex_letters_begin_on_fronts() -> None:
    simplex = profile.load("uk")
    duplex = replace(simplex, sheet=replace(simplex.sheet, duplex=True))

    assert "break-before: right" in page.geometry(duplex)
    assert "break-before: page" in page.geometry(simplex)


def test_calibration_moves_the_whole_page() -> None:
    plain = profile.load("din5008-b")
    moved = replace(plain, sheet=replace(plain.sheet, dx=1.5, dy=-2.0))

    css = page.geometry(moved)

    assert "margin: 23.0mm 18.5mm 27.0mm 26.5mm" in css


def test_long_address_is_set_smaller() -> None:
    uk = profile.load("uk")

    sizes = [page.address_size(lines, uk) for lines in range(1, 12)]

    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (uk.window.size, uk.window.floor)
