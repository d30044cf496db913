"""Letters of a form as the folder makes them: the shipped template, holes for reference and signature."""

from collections.abc import Sequence
from typing import Any

from uamail.letters.environment import render
from uamail.printing import fonts
from uamail.printing.form import Form, FormLetter, hole

ADDRESS = [
    ("zh-Hans", "中华人民共和国 示例办公室"),
    ("en", "The President’s Office"),
    ("en", "Example Street 174, Beijing 100017"),
    ("en", "CHINA"),
]
ADDRESS_LINES = [text for _, text in ADDRESS]
WORDS = {
    "subject": "Free her",
    "salutation": "Your Excellency,",
    "paragraphs": ["She is held — without “trial” – since 2014."],
    "demands": ["Release her at once."],
    "closing": "Yours faithfully,",
}
# The names that letters are signed with in these tests: every script the lane is made for, and mixtures of them.
NAMES = {
    "latin": "Zoë O’Hara-Müller",
    "vietnamese": "Nguyễn Thị Ánh Tuyết",
    "cyrillic": "Алексей Ёлкин",
    "greek": "Ελένη Παπαδοπούλου",
    "arabic": "ليلى حسن",
    "persian": "علی‌رضا رضایی",
    "uyghur": "ئايگۈل ئابدۇللا",
    "hebrew": "רות כהן",
    "devanagari": "प्रिया शर्मा",
    "thai": "สมหญิง ใจดี",
    "tibetan": "བསྟན་འཛིན།",
    "han": "陳骨直",
    "kana": "骨直花子 はなこ",
    "hangul": "김하늘",
    "bengali": "বাংলা নাম",
    "sinhala": "ක්‍රිස්ටීන්",
    "tamil": "தமிழ்",
    "burmese": "ကျော်",
    "latin and han": "Li Wei 李偉",
    "latin and cyrillic": "Ольга Müller",
    "hangul and latin": "조 현우 Vogt",
    "hebrew and latin": "שרה John כהן",
    "arabic and figures": "ليلى Smith 123",
    "thai in brackets": "ก้อง (Kong)",
}


def form(language: str = "en", *, lines: int = 2, template: str = "print/letter.html", **changes: Any) -> Form:
    """The form of a model letter with so many lines of signature."""
    marks = [hole(place) for place in range(1, lines + 1)]
    context: dict[str, Any] = WORDS | {
        "reference": "UA 61/21",
        "return_line": "Example Office, Example Lane 1, 3000 Bern",
        "return_size": 6.5,
        "return_rows": 1,
        "address_lines": [{"lang": lang, "text": text} for lang, text in ADDRESS],
        "date": "20 November 2026",
        "direction": fonts.direction(language),
        "ref": hole(0),
        "signature": marks,
    }
    context |= changes
    text = [context["subject"], context["salutation"], *context["paragraphs"], *context["demands"], context["closing"]]
    return Form(
        html=render(template, context),
        text="\n".join((*text, *marks)),
        language=language,
        direction=fonts.direction(language),
    )


def letters(made: Form, names: Sequence[str], *, country: str = "Switzerland", first: int = 1) -> list[FormLetter]:
    """One letter for each name, numbered from `first`."""
    return [
        FormLetter(number=number, form=made, fields=(f"B12-{number:04d}", name, country))
        for number, name in enumerate(names, first)
    ]
