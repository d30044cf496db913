"""Letters merged from model or own words, and the mail made of them."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.letters.letter import Letter
from uamail.letters.merge import Drafting, compose, mail

GREETINGS = (
    "Dear President Xi Jinping:",
    "Dear Secretary Ma Xingrui:",
    "致國家主席習近平：",
    "致黨委書記馬興瑞：",
)
CLOSINGS = ("Yours sincerely,", "Mit freundlichen Grüßen", "敬此")


def letter(own_words: str | None = None, **changes: Any) -> Letter:
    facts: dict[str, Any] = {
        "language": "en",
        "subject": "Free them",
        "reference": "UA 61/21",
        "salutation": "Dear Secretary Ma Xingrui:",
        "paragraphs": ("First paragraph.", "Second paragraph."),
        "demands": ("Release them.", "Let their families know."),
        "closing": "Yours sincerely,",
        "signature": ("Anna Example", "Switzerland"),
        "own_words": own_words,
        "greetings": GREETINGS,
        "closings": CLOSINGS,
        "signer": "Anna Example",
    }
    return compose(**(facts | changes))


class Page(HTMLParser):
    """Elements, attributes and text of a page, as a mail reader gets them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.text += "\n" if tag == "br" else ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


def test_model_letter_keeps_its_demands() -> None:
    merged = letter()

    assert merged.demands == ("Release them.", "Let their families know.")
    assert merged.origin == "model"


def test_blank_own_words_mean_the_model() -> None:
    assert letter(" \n\u00a0\n") == letter()


def test_own_words_replace_model_and_demands() -> None:
    merged = letter("One line\r\nand another.\r\n\u00a0\r\nA second paragraph.")

    assert merged.paragraphs == ("One line\nand another.", "A second paragraph.")
    assert (merged.demands, merged.origin) == ((), "own")


def test_edited_origin_is_kept() -> None:
    assert letter("Changed words.", origin="edited").origin == "edited"


def test_unknown_origin_is_refused() -> None:
    with pytest.raises(InputError, match="model, edited, own"):
        letter(origin="robot")


@pytest.mark.parametrize(
    "greeting",
    [
        "Dear President Xi Jinping:",
        "dear president xi jinping",
        "Dear Secretary Ma Xingrui,",
        "致國家主席習近平：",
        "Honoured Mr Xi Jinping,",
        "尊敬的習近平主席：",
        "Dear President,",
    ],
)
def test_right_target_is_greeted_instead(greeting: str) -> None:
    merged = letter(f"{greeting}\n\nPlease act.")

    assert merged.salutation == "Dear Secretary Ma Xingrui:"
    assert merged.paragraphs == ("Please act.",)


def test_greeting_on_the_first_line_goes() -> None:
    merged = letter("Dear President Xi Jinping: please act.\n\nNow.")

    assert merged.paragraphs == ("please act.", "Now.")


@pytest.mark.parametrize("greeting", ["Dear friends,", "Guten Tag!", "Your Excellency:", "Dear Mr Ma,", "各位先生："])
def test_other_greeting_becomes_the_salutation(greeting: str) -> None:
    merged = letter(f"{greeting}\nPlease act.")

    assert merged.salutation == greeting
    assert merged.paragraphs == ("Please act.",)


@pytest.mark.parametrize(
    "first",
    [
        "I am writing about the people whose families have heard nothing for so long:",
        "I write to you today.",
        "Please act now!",
    ],
)
def test_prose_is_not_a_greeting(first: str) -> None:
    merged = letter(first)

    assert merged.salutation == "Dear Secretary Ma Xingrui:"
    assert merged.paragraphs == (first,)


def test_long_first_line_is_prose() -> None:
    first = "For a long time I have followed what happens to these families, and I ask:"

    merged = letter(f"{first}\nWhere are they?")

    assert merged.paragraphs == (f"{first}\nWhere are they?",)


def test_short_last_line_stays_without_a_name() -> None:
    merged = letter("Please act.\n\nTomorrow, if not today,")

    assert merged.paragraphs == ("Please act.", "Tomorrow, if not today,")


@pytest.mark.parametrize(
    "ending",
    [
        "Yours sincerely,\nAnna Example",
        "Yours Sincerely\n\nAnna",
        "yours sincerely, Anna Example",
        "Mit freundlichen Grüßen\nA. Example\nSwitzerland",
        "– Anna Example",
        "敬此",
    ],
)
def test_typed_closing_is_not_doubled(ending: str) -> None:
    merged = letter(f"Please act.\n\n{ending}")

    assert merged.paragraphs == ("Please act.",)
    assert merged.closing == "Yours sincerely,"


def test_unknown_closing_replaces_the_models() -> None:
    merged = letter("Please act.\n\nIn hope,\nAnna Example")

    assert (merged.paragraphs, merged.closing) == (("Please act.",), "In hope,")


def test_hidden_name_is_taken_off_the_end() -> None:
    merged = letter("Please act.\n\nAnna Example", signature=("A supporter in Switzerland",))

    assert "Anna" not in mail(merged).text


@pytest.mark.parametrize("body", ["Dear President Xi Jinping:", "Dear President Xi Jinping:\n\nAnna Example"])
def test_letter_without_words_is_refused(body: str) -> None:
    with pytest.raises(InputError, match="no letter in them"):
        letter(body)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_own_words_keep_the_right_target(body: str) -> None:
    try:
        merged = letter(f"Dear President Xi Jinping:\n{body}\nLast line of prose here.")
    except InputError:
        return

    assert merged.salutation == "Dear Secretary Ma Xingrui:"
    assert all(paragraph.strip() for paragraph in merged.paragraphs)


def test_text_part_reads_like_a_letter() -> None:
    assert mail(letter()).text == (
        "Dear Secretary Ma Xingrui:\n\nFirst paragraph.\n\nSecond paragraph.\n\n1. Release them.\n\n"
        "2. Let their families know.\n\nYours sincerely,\n\nAnna Example\nSwitzerland\n\nUA 61/21\n"
    )


def test_missing_closing_leaves_no_gap() -> None:
    words = mail(letter("Own words.", closing="", reference=""))

    assert words.text.endswith("Own words.\n\nAnna Example\nSwitzerland\n")
    assert 'class="closing"' not in words.html


def test_html_part_has_bold_demands() -> None:
    html = mail(letter()).html

    assert "<li><strong>Release them.</strong></li>" in html
    assert "<bdi>Anna Example</bdi><br><bdi>Switzerland</bdi>" in html


@pytest.mark.parametrize(("tag", "way"), [("en", "ltr"), ("zh-Hant", "ltr"), ("ug", "rtl"), ("ar", "rtl")])
def test_html_states_language_and_direction(tag: str, way: str) -> None:
    assert f'<html lang="{tag}" dir="{way}">' in mail(letter(language=tag)).html


def test_html_part_loads_and_links_nothing() -> None:
    page = Page(mail(letter("See https://example.org/ and <img src=x>.")).html)

    assert not {"img", "a", "link", "script", "iframe", "form"} & set(page.elements)
    assert not {"src", "href", "background", "style", "onload"} & page.attributes


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ 7*7 }}",
        "{% for x in range(9) %}x{% endfor %}",
        "{# gone? #}",
        "<script>alert(1)</script>",
        "</p><img src=x onerror=alert(1)>",
        "<style>*{display:none}</style>",
        "&lt;b&gt; &amp;amp; &#60;",
        "**bold** _it_ [text](https://example.org) `code`",
        "# Heading",
        "%s %(name)s {0.__class__}",
        '" onmouseover="x',
        "<!-- c --><![CDATA[x]]>",
    ],
)
def test_hostile_text_stays_literal(hostile: str) -> None:
    plain = Page(mail(letter("Own words.", signature=("x",), subject="x", reference="x")).html)
    merged = letter(
        f"Own {hostile} words.", signature=(hostile,), subject=hostile, reference=hostile, salutation=hostile
    )

    words = mail(merged)
    page = Page(words.html)

    assert words.subject == hostile
    assert words.text.count(hostile) == 4
    assert page.text.count(hostile) == 5
    assert (page.elements, page.attributes) == (plain.elements, plain.attributes)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200))
def test_any_text_is_read_back_unchanged(text: str) -> None:
    merged = letter(paragraphs=(f"|{text}|",))

    words = mail(merged)

    assert f"|{text}|" in words.text
    assert f"|{text}|" in Page(words.html).text


def test_subject_is_always_one_line() -> None:
    assert mail(letter(subject="One\r\nBcc: x\u2028two\x85three")).subject == "One Bcc: x two three"


def test_draft_of_a_model_letter_is_that_letter() -> None:
    signed = letter(signature=("Zoë", "Austria"))

    assert Drafting(letter())(("Zoë", "Austria"), None) == mail(signed)


def test_draft_in_own_words_is_a_letter_in_own_words() -> None:
    own = letter("Hello there,\n\nMy first.\n\nMy second.")

    drafted = Drafting(letter())(own.signature, (own.salutation, own.paragraphs, own.closing))

    assert drafted == mail(own)
