"""Letters in every script through the reference lane, and read back as a reader gets them."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uamail.letters.environment import render as words
from uamail.letters.letter import Letter
from uamail.printing import fonts, preflight, profile, readback, reference
from uamail.printing.page import PieceSource

ADDRESS = [
    ("zh-Hans", "中华人民共和国 示例办公室"),
    ("zh-Hans", "北京市示例区示例街174号 100017"),
    ("en", "The President’s Office"),
    ("en", "Example Street 174, Beijing 100017"),
    ("en", "CHINA"),
]
LINES = [text for _, text in ADDRESS]

# language: subject, salutation, paragraph, demand, closing, name
LETTERS = {
    "en": ("Free her", "Your Excellency,", "She is held — without “trial” – since 2014.", "Release her at once.",
           "Yours faithfully,", "Zoë O’Hara-Müller"),
    "ru": ("Свобода", "Ваше превосходительство!", "Я пишу Вам по поводу её дела.", "Освободите её немедленно.",
           "С уважением,", "Алексей Ёлкин"),
    "el": ("Ελευθερία", "Εξοχότατε,", "Σας γράφω για την υπόθεσή της.", "Αφήστε την ελεύθερη αμέσως.",
           "Με εκτίμηση,", "Ελένη Παπαδοπούλου"),
    "ar": ("الحرية", "صاحب الفخامة،", "أكتب إليكم بشأن قضيتها (منذ 2014).", "أفرجوا عنها فورا.",
           "مع الاحترام،", "ليلى حسن"),
    "ug": ("ئەركىنلىك", "ھۆرمەتلىك رەئىس،", "مەن سىزگە ئۇنىڭ دېلوسى ھەققىدە خەت يېزىۋاتىمەن.",
           "ئۇنى دەرھال قويۇپ بېرىڭ.", "ھۆرمەت بىلەن،", "ئايگۈل ئابدۇللا"),
    "he": ("חירות", "כבוד הנשיא,", "אני כותבת אליך בעניינה.", "שחררו אותה מיד.", "בכבוד רב,", "רות כהן"),
    "hi": ("रिहाई", "महामहिम,", "मैं आपको उनके मामले के बारे में लिख रही हूँ।", "उन्हें तुरंत रिहा करें।", "भवदीय,", "प्रिया शर्मा"),
    "zh-Hant": ("釋放", "主席閣下：", "我就她的案件致函閣下——「審判」只進行了一天。", "立即釋放她。", "此致", "陳骨直"),
    "zh-Hans": ("释放", "主席阁下：", "我就她的案件致函阁下——“审判”只进行了一天。", "立即释放她。", "此致", "陈骨直𠀀"),
    "ja": ("釈放", "主席閣下", "彼女の件でお手紙を差し上げます。", "直ちに釈放してください。", "敬具", "骨直花子"),
    "ko": ("석방", "각하께,", "그녀의 사건에 관하여 편지를 드립니다.", "즉시 석방하십시오.", "존경을 담아,", "김하늘"),
    "th": ("ปล่อยตัว", "ฯพณฯ", "ข้าพเจ้าเขียนถึงท่านเกี่ยวกับกรณีของเธอ", "ปล่อยตัวเธอทันที", "ขอแสดงความนับถือ", "สมหญิง ใจดี"),
    "bo": ("གློད་བཀྲོལ།", "མཆོག", "ངས་ཁྱེད་ལ་བྲིས་པ་ཡིན།", "འཕྲལ་མར་གློད་གྲོལ་གཏོང་དགོས།", "གུས་བཏུད།", "བསྟན་འཛིན།"),
}  # fmt: skip


def letter(language: str) -> Letter:
    subject, salutation, paragraph, demand, closing, name = LETTERS[language]
    return Letter(
        language=language,
        subject=subject,
        reference="UA 61/21",
        salutation=salutation,
        paragraphs=(paragraph,),
        demands=(demand,),
        closing=closing,
        signature=(name, "Switzerland"),
    )


def piece(number: int, written: Letter, **changes: Any) -> PieceSource:
    direction = fonts.direction(written.language)
    context = written.context() | {
        "return_size": 6.5,
        "return_rows": 1,
        "return_line": "Example Office, Example Lane 1, 3000 Bern",
        "address_lines": [{"lang": lang, "text": text} for lang, text in ADDRESS],
        "date": "20 November 2026",
        "direction": direction,
        "ref": f"B12-{number:04d}",
    }
    parts = (written.reference, written.subject, written.salutation, *written.paragraphs, *written.demands)
    return PieceSource(
        number=number,
        html=words("print/letter.html", context | changes),
        language=written.language,
        direction=direction,
        text="\n".join((*parts, written.closing, *written.signature)),
    )


def poppler(pdf: bytes, folder: Path, *options: str) -> str:
    (folder / "letters.pdf").write_bytes(pdf)
    command = ["pdftotext", *options, str(folder / "letters.pdf"), "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("name", ["din5008-b", "uk"])
def test_every_script_passes_preflight(name: str) -> None:
    paper = profile.load(name)
    pieces = [piece(number, letter(language)) for number, language in enumerate(LETTERS, 1)]

    rendered = reference.render(pieces, profile=paper)
    findings = preflight.check(
        rendered.pdf,
        profile=paper,
        pages=rendered.pages,
        address_texts={each.number: LINES for each in pieces},
        texts={each.number: each.text for each in pieces},
    )

    assert rendered.refused == ()
    assert [row.pages for row in rendered.pages] == [1] * len(LETTERS)
    assert findings == ()


@pytest.mark.parametrize("language", ["en", "ru", "el", "he", "zh-Hant", "zh-Hans", "ja", "ko", "th", "bo"])
def test_poppler_reads_the_words(language: str, tmp_path: Path) -> None:
    source = piece(1, letter(language))

    read = poppler(reference.render([source], profile=profile.load("din5008-b")).pdf, tmp_path, "-raw")

    assert readback.absent(source.text.splitlines(), read) == ()


def test_window_shows_the_address_only(tmp_path: Path) -> None:
    window = profile.load("uk").window
    rendered = reference.render([piece(1, letter("en"))], profile=profile.load("uk"))

    # poppler takes its rectangle in pixels at 72 dpi
    x, y, w, h = (str(round(each * 72 / 25.4)) for each in (window.x, window.y, window.w, window.h))
    read = poppler(rendered.pdf, tmp_path, "-x", x, "-y", y, "-W", w, "-H", h)

    assert [line for line in read.strip().splitlines() if line] == LINES


def test_latin_date_keeps_its_order_in_arabic(tmp_path: Path) -> None:
    rendered = reference.render([piece(1, letter("ar"))], profile=profile.load("uk"))

    boxes = poppler(rendered.pdf, tmp_path, "-bbox")
    left = {word: float(x) for x, word in re.findall(r'xMin="([\d.]+)".*>(20|November|2026)</word>', boxes)}

    assert left["20"] < left["November"] < left["2026"]


def test_equal_letters_give_equal_bytes() -> None:
    pieces = [piece(number, letter(language)) for number, language in enumerate(("en", "ug", "zh-Hant"), 1)]

    first, second = (reference.render(pieces, profile=profile.load("uk")).pdf for _ in range(2))

    assert first == second


def test_own_words_get_a_second_page(tmp_path: Path) -> None:
    own = replace(
        letter("en"), paragraphs=("Dear reader,\nthis is mine. " + "I wrote this myself. " * 220,) * 2, demands=()
    )
    pieces = [piece(1, letter("ru")), piece(2, own), piece(3, letter("ja"))]
    paper = profile.load("din5008-b")

    rendered = reference.render(pieces, profile=paper)
    footers = [line.split() for line in poppler(rendered.pdf, tmp_path, "-layout").splitlines() if "B12-" in line]

    assert [(row.first_page, row.last_page) for row in rendered.pages] == [(1, 1), (2, 4), (5, 5)]
    assert [each[-1] for each in footers] == ["1/1", "1/3", "2/3", "3/3", "1/1"]
    texts = {each.number: each.text for each in pieces}
    assert preflight.check(rendered.pdf, profile=paper, pages=rendered.pages, address_texts={}, texts=texts) == ()


def test_line_breaks_in_own_words_stay(tmp_path: Path) -> None:
    own = replace(letter("en"), paragraphs=("First line.\nSecond line.",), demands=(), origin="own")

    read = poppler(reference.render([piece(1, own)], profile=profile.load("uk")).pdf, tmp_path)

    assert "First line.\nSecond line.\n" in read


def test_duplex_letters_have_even_pages() -> None:
    simplex = profile.load("din5008-b")
    duplex = replace(simplex, sheet=replace(simplex.sheet, duplex=True))
    long = replace(letter("en"), paragraphs=("I wrote this myself. " * 300,))

    rendered = reference.render([piece(1, letter("en")), piece(2, long), piece(3, letter("ug"))], profile=duplex)

    rows = [(row.first_page, row.last_page, row.blank_pages, row.pages) for row in rendered.pages]
    assert rows == [(1, 2, 1, 1), (3, 4, 0, 2), (5, 6, 1, 1)]
    assert preflight.check(rendered.pdf, profile=duplex, pages=rendered.pages, address_texts={}, texts={}) == ()


def test_calibration_moves_the_address_along() -> None:
    plain = profile.load("uk")
    moved = replace(plain, sheet=replace(plain.sheet, dx=2.0, dy=-1.5))
    rendered = reference.render([piece(1, letter("en"))], profile=moved)

    findings = {
        paper: preflight.check(rendered.pdf, profile=paper, pages=rendered.pages, address_texts={1: LINES}, texts={})
        for paper in (plain, moved)
    }

    assert findings[moved] == ()
    assert preflight.WINDOW in {each.gate for each in findings[plain]}


def test_many_letters_share_their_fonts() -> None:
    few, many = (
        reference.render([piece(number, letter("zh-Hant")) for number in range(1, count)], profile=profile.load("uk"))
        for count in (3, 33)
    )

    assert (len(many.pdf) - len(few.pdf)) / 30 < 4_000
