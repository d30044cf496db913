"""Forms: what many letters share, and the holes that each fills."""

import pytest

from uamail.printing.form import Form, FormLetter, hole, holed, unholed


def form(html: str, text: str = "") -> Form:
    return Form(html=html, text=text, language="en", direction="ltr")


def test_fields_go_in_as_text() -> None:
    made = form(f"<p>{hole(0)}</p><p>{hole(1)}</p>", f"{hole(0)}\n{hole(1)}")
    letter = FormLetter(number=1, form=made, fields=("<b>A & B</b>", "“C”"))

    assert letter.html == "<p>&lt;b&gt;A &amp; B&lt;/b&gt;</p><p>“C”</p>"
    assert letter.text == "<b>A & B</b>\n“C”"


def test_mark_in_a_field_fills_nothing() -> None:
    made = form(f"<p>{hole(0)}</p><p>{hole(1)}</p>")

    assert made.html_with((hole(1), "secret")) == f"<p>{hole(1)}</p><p>secret</p>"


def test_hole_may_come_again() -> None:
    made = form(f"{hole(1)} {hole(0)} {hole(1)}")

    assert made.holes == (0, 1)
    assert made.html_with(("a", "b")) == "b a b"


def test_key_tells_forms_apart() -> None:
    same, other = form("<p>a</p>"), form("<p>b</p>")

    assert form("<p>a</p>").key == same.key
    assert len({same.key, other.key, Form(html="<p>a</p>", text="", language="de", direction="ltr").key}) == 3


def test_holes_are_seen_and_taken_out() -> None:
    assert holed(f"a{hole(7)}")
    assert not holed("a\ue000")
    assert unholed(f"a{hole(7)}b") == "ab"


def test_there_is_an_end_of_holes() -> None:
    with pytest.raises(ValueError, match="at most 256"):
        hole(256)
