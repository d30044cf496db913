"""Published documents become drafts: what they say is found, what they leave open is doubted, nothing is invented."""

import tomllib
import zipfile
from contextlib import suppress
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import pytest

from tests.unit.drafting.published import CHINESE, ENGLISH
from uamail.actions import loader
from uamail.drafting import facts, language, lines, toml
from uamail.drafting.assemble import drafted
from uamail.drafting.draft import Draft
from uamail.drafting.quotes import tidy
from uamail.errors import InputError

OFFICE = {
    "country": "GB",
    "name": "Office",
    "address": ["1 Example Street", "London"],
    "reply_to": "reply@office.example",
    "zone": "Europe/London",
}


def draft_of(text: str, folder: Path, name: str = "action.txt") -> Draft:
    path = folder / name
    path.write_text(text, "utf-8")
    return drafted(lines.read(path))


def fields(draft: Draft) -> list[str]:
    return [one.field for one in draft.doubts]


@pytest.fixture
def english(tmp_path: Path) -> Draft:
    return draft_of(ENGLISH, tmp_path)


def test_numbers_days_and_languages(english: Draft) -> None:
    head = english.data["action"]

    assert (head["ua"], head["ordinal"], head["index"]) == ("7/24", 3, "ASA 17/1234/2024")
    assert (head["country"], head["issued"]) == ("CN", date(2024, 3, 3))
    assert head["languages"] == ["zh-Hans", "en"]
    assert head["own_language"] is True
    assert head["deadline"]["date"] == date(2024, 4, 30)
    assert head["subject"] == [{"name": "Ana Example", "pronouns": "she/her"}]
    assert head["previous"] == "https://www.example.org/en/documents/ASA17/0001/2023/en/"


def test_target_with_glued_lines(english: Draft) -> None:
    target, address = english.data["target"][0], english.data["address"][0]

    assert target["name"] == {"en": "Ano Nymous"}
    assert target["role"] == {"en": "Minister of Justice"}
    assert target["salutation"] == {"en": "Dear Minister Nymous:"}
    assert (target["email"], target["fax"]) == (["minister@justice.example"], "+861062380000")
    assert target["channels"] == ["mail", "print"]
    assert address["lines"] == {
        "Latn": ["Ministry of Justice", "12 Example Road, Beijing Shi 100020"],
        "Hans": ["北京市朝阳区示例路12号 100020"],
    }
    assert (address["country"], address["postcode"]) == ("CN", "100020")


def test_additional_targets_share_an_address_and_the_embassy_gets_a_copy(english: Draft) -> None:
    _, bea, cai, embassy = english.data["target"]

    assert [(one["name"]["en"], one["role"]["en"]) for one in (bea, cai)] == [
        ("Bea Example", "head of the school office"),
        ("Cai Example", "governor of the province"),
    ]
    assert bea["address"] == cai["address"] == english.data["address"][1]["id"]
    assert english.data["address"][1]["postcode"] == "830041"
    assert (embassy["kind"], embassy["copy_for"], embassy["zone"]) == ("copy", ["GB"], "Europe/London")
    assert english.data["address"][2]["postcode"] == "W1B 1AA"


def test_letter_without_the_furniture_of_the_page(english: Draft) -> None:
    (letter,) = english.data["letter"]

    assert len(letter["paragraphs"]) == 3
    assert "“The Empty Desk”" in letter["paragraphs"][1]
    assert letter["paragraphs"][2] == "I therefore urge you to:"
    assert [one.split()[0] for one in letter["demands"]] == ["Say", "Release"]
    assert letter["closing"] == "Yours sincerely,"
    assert "*" not in str(letter)
    assert "Date: 3 March 2024" in english.unused


def test_every_doubt_is_named(english: Draft) -> None:
    assert fields(english) == [
        "action.languages",
        "action.title.en",
        "action.deadline.zone",
        "office[0]",
        "target[0].zone",
        "target[1].zone",
        "target[1].salutation.en",
        "target[2].zone",
        "target[2].salutation.en",
        "target[3].salutation.en",
        "letter[0].subject",
    ]


def test_two_editions_are_one_action(tmp_path: Path) -> None:
    draft = draft_of(CHINESE + ENGLISH, tmp_path)

    target, address = draft.data["target"][0], draft.data["address"][0]
    assert [one["language"] for one in draft.data["letter"]] == ["zh-Hant", "en"]
    assert target["name"] == {"zh-Hant": "阿諾", "en": "Ano Nymous"}
    assert target["role"]["zh-Hant"] == "司法部長"
    assert target["salutation"]["zh-Hant"] == "致司法部長阿諾："
    assert set(address["lines"]) == {"Hant", "Hans", "Latn"}
    assert draft.data["action"]["languages"] == ["zh-Hant", "en"]
    assert len(draft.data["letter"][0]["demands"]) == 2
    # 前 means before that day, "until" means up to its end.
    assert "action.deadline.inclusive" in fields(draft)


def resolved(draft: Draft, **answers: Any) -> str:
    """The draft as a person finishes it: an answer for each field that is empty."""
    draft.data["office"] = [OFFICE]
    draft.data["action"]["deadline"]["zone"] = "Europe/London"
    for target in draft.data["target"]:
        for key in ("name", "role", "salutation"):
            target[key] = {tag: words or "Dear Sir or Madam," for tag, words in target[key].items()}
    for key, value in answers.items():
        draft.data["action"][key] = value
    return toml.written(draft, source="action.txt")


def test_resolved_draft_loads(tmp_path: Path) -> None:
    draft = draft_of(CHINESE + ENGLISH, tmp_path)

    action = loader.loads(resolved(draft), file="action.toml")

    assert action.key == "7/24-3"
    assert [one.id for one in action.targets] == ["ano-nymous", "bea-example", "cai-example", "dan-example"]
    assert [one.language for one in action.letters] == ["zh-Hant", "en"]


def test_draft_is_toml_with_each_doubt_beside_its_field(english: Draft) -> None:
    text = toml.written(english, source="action.txt")

    assert tomllib.loads(text)["action"]["index"] == "ASA 17/1234/2024"
    assert text.count(toml.MARK) - 1 == len(english.doubts)
    rows = text.splitlines()
    at = rows.index('zone = ""')
    assert rows[at - 1].startswith(toml.MARK)


def docx(path: Path, text: str) -> None:
    """A Word document of one paragraph a line, as small as Word reads it."""
    body = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in text.splitlines())
    name = "http://schemas.openxmlformats.org"
    kinds = f'<Types xmlns="{name}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd'
    kinds += (
        '.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>'
    )
    link = f'<Relationships xmlns="{name}/package/2006/relationships"><Relationship Id="r1" Type="{name}/officeDocument'
    link += '/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>'
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", kinds)
        file.writestr("_rels/.rels", link)
        head = f'<w:document xmlns:w="{name}/wordprocessingml/2006/main"><w:body>'
        file.writestr("word/document.xml", f"{head}{body}</w:body></w:document>")


@pytest.mark.parametrize("kind", ["docx", "html", "md"])
def test_other_kinds_of_documents_say_the_same(kind: str, english: Draft, tmp_path: Path) -> None:
    path = tmp_path / f"same.{kind}"
    if kind == "docx":
        docx(path, ENGLISH.replace("***", "").replace("\n- ", "\n• "))
    elif kind == "html":
        shown = escape(ENGLISH.replace("***", "")).replace("\n- ", "\n<li>").split("\n")
        path.write_text("<head><title>no</title></head>" + "".join(f"<p>{line}</p>" for line in shown), "utf-8")
    else:
        path.write_text("# " + ENGLISH, "utf-8")

    made = drafted(lines.read(path))

    assert made.data == english.data
    assert fields(made) == fields(english)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("action.pdf", b"%PDF", ".docx"),
        ("action.docx", b"no zip at all", "no Word document"),
        ("action.txt", b"\xff\xfa\x00", "UTF-8"),
        ("action.txt", b"x" * (lines.MOST_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_document_is_refused(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(InputError, match=says):
        lines.read(path)


@pytest.mark.parametrize("xml", [b"<w:document", b"\xff\xfe\x00", b"", b"<a>\x00</a>"])
def test_damaged_word_document_is_refused(xml: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.docx"
    docx(path, "Dear X,")
    with zipfile.ZipFile(path) as file:
        parts = {part.filename: file.read(part) for part in file.infolist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, xml if name == "word/document.xml" else data)

    with pytest.raises(InputError, match="no Word document"):
        lines.read(path)


def test_no_cut_of_a_word_document_escapes(tmp_path: Path) -> None:
    path = tmp_path / "cut.docx"
    docx(path, ENGLISH)
    whole = path.read_bytes()

    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + b"\x99" + whole[at + 1 :])
        with suppress(InputError):
            lines.read(path)


def test_control_characters_make_no_bad_file(tmp_path: Path) -> None:
    draft = draft_of("URGENT ACTION\nfurniture \x07 bell\x1b\n", tmp_path)

    tomllib.loads(toml.written(draft, source="action.txt"))


def test_bomb_is_measured_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("word/document.xml", b"\0" * (64 << 20))

    with pytest.raises(InputError, match="unpacks"):
        lines.read(path)


@pytest.mark.parametrize(
    "text", ["", "URGENT ACTION", ":\n:::\n", "Dear X,", "\u202e\u0000", "前" * 500, "• \n• and\n"]
)
def test_any_text_makes_a_draft(text: str, tmp_path: Path) -> None:
    draft = draft_of(text, tmp_path)

    assert "office[0]" in fields(draft)
    tomllib.loads(toml.written(draft, source="x"))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("until 29 July 2022.", date(2022, 7, 29)),
        ("July 29, 2022", date(2022, 7, 29)),
        ("Abgeschlossen am 10. September 2021", date(2021, 9, 10)),
        ("avant le 1er mars 2024", date(2024, 3, 1)),
        ("antes del 3 de mayo de 2024", date(2024, 5, 3)),
        ("在 2022 年 9 月 23 日前", date(2022, 9, 23)),
        ("29/07/2022", None),
        ("31 June 2022", None),
        ("12 monkeys 2022", None),
    ],
)
def test_days(text: str, day: date | None) -> None:
    assert facts.day(text) == day


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("The letter is on the way to the minister and it has not been opened.", "en"),
        ("Der Brief ist auf dem Weg und die Ministerin hat ihn nicht gelesen.", "de"),
        ("La lettre est en route et le ministre ne l’a pas encore lue dans son bureau.", "fr"),
        ("这封信已经寄出，但是部长还没有读过。", "zh-Hans"),
        ("這封信已經寄出，但是部長還沒有讀過。", "zh-Hant"),
        ("qwertz", None),
    ],
)
def test_language_of_a_passage(text: str, tag: str | None) -> None:
    assert language.of(text) == tag


@pytest.mark.parametrize("marks", ['""', "“”", "«»", "„“"])
def test_one_style_of_quotes(marks: str) -> None:
    text = f"the report {marks[0]}The Empty Desk{marks[1]}, it's said"

    assert tidy(text, "en") == "the report “The Empty Desk”, it’s said"
    assert tidy(text, "de") == "the report „The Empty Desk“, it’s said"
    assert tidy('an odd " mark', "en") == 'an odd " mark'
