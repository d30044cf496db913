"""Which letters share a form: those of one target, one language and as many lines of signature."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uamail.letters.letter import Letter
from uamail.pipeline.forming import Forms, edition
from uamail.printing.form import FormLetter, hole
from uamail.printing.page import PieceSource

LETTER = Letter(
    language="en",
    subject="Free her",
    reference="UA 61/21",
    salutation="Your Excellency,",
    paragraphs=("She is held.",),
    demands=("Release her.",),
    closing="Yours faithfully,",
    signature=("Ada <Example>", "Switzerland"),
)
KEY = (1, "president", "en")


def page() -> dict[str, Any]:
    return {
        **{"return_line": "Office", "return_size": 6.5, "return_rows": 1, "date": "20 November 2026"},
        "address_lines": [{"text": "CHINA", "lang": "en"}],
    }


def made(forms: Forms, letter: Letter, *, number: int = 1, key: tuple[Any, ...] = KEY) -> Any:
    return forms.piece(number, letter, key=key, ref=f"B1-{number:04d}", page=page)


def test_letters_that_differ_in_signature_share_a_form() -> None:
    forms = Forms(templates_dir=None)

    one, other = made(forms, LETTER), made(forms, replace(LETTER, signature=("Bela", "France")), number=2)

    assert isinstance(one, FormLetter)
    assert one.form is other.form
    assert (one.fields, other.fields) == (("B1-0001", "Ada <Example>", "Switzerland"), ("B1-0002", "Bela", "France"))


def test_form_says_what_the_template_says() -> None:
    forms = Forms(templates_dir=None)
    one = made(forms, LETTER)

    alone = made(forms, replace(LETTER, origin="own"))

    assert isinstance(alone, PieceSource)
    assert (one.html, one.text, one.direction) == (alone.html, alone.text, alone.direction)
    assert "Ada &lt;Example&gt;" in one.html


@pytest.mark.parametrize(
    ("letter", "key"),
    [
        (replace(LETTER, signature=("Ada",)), KEY),
        (LETTER, (1, "embassy", "en")),
        (LETTER, (2, "president", "en")),
    ],
)
def test_other_letters_have_other_forms(letter: Letter, key: tuple[Any, ...]) -> None:
    forms = Forms(templates_dir=None)

    assert made(forms, LETTER).form is not made(forms, letter, key=key).form


def test_own_words_share_no_form() -> None:
    piece = made(Forms(templates_dir=None), replace(LETTER, origin="own", demands=()))

    assert isinstance(piece, PieceSource)
    assert piece.apart == "own words"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ref }}{% for line in signature %}{{ line|upper }}{% endfor %}",
        "{% if signature[0] == 'Ada' %}x{% endif %}",
        "{% if ref|length > 7 %}x{% endif %}",
    ],
)
def test_template_that_decides_by_the_signer_shares_no_form(template: str, tmp_path: Path) -> None:
    (tmp_path / "print").mkdir()
    (tmp_path / "print" / "letter.html").write_text(template, encoding="utf-8")

    piece = made(Forms(templates_dir=tmp_path), LETTER)

    assert isinstance(piece, PieceSource)
    assert piece.apart == "template"


def test_text_with_a_mark_in_it_shares_no_form() -> None:
    piece = made(Forms(templates_dir=None), replace(LETTER, paragraphs=(f"She {hole(1)} is held.",)))

    assert isinstance(piece, PieceSource)


def test_edition_changes_with_the_template(tmp_path: Path) -> None:
    (tmp_path / "print").mkdir()
    (tmp_path / "print" / "letter.html").write_text("{{ ref }}", encoding="utf-8")

    assert edition(None) == edition(None) != edition(tmp_path)
