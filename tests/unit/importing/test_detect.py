"""The encoding and the delimiter are found, or the file is refused with the option that settles it."""

import codecs

import pytest

from uamail.errors import SignatureFileError
from uamail.importing.detect import Detected, detect

ROWS = [["name", "country", "note"], ["Zoë, Ltd", "CH", 'a; "b"\nand\tc'], ["小明", "TW", ""]]


def table(delimiter: str) -> str:
    quoted = (['"' + cell.replace('"', '""') + '"' for cell in row] for row in ROWS)
    return "\n".join(delimiter.join(row) for row in quoted) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
def test_every_encoding_and_delimiter_is_found(delimiter: str, encoding: str, mark: bytes) -> None:
    head = mark + table(delimiter).encode(encoding)

    assert detect(head, name="a.csv") == Detected(encoding, delimiter, bool(mark))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"name\nAnn\n", "--delimiter"),
        (b"a,b;c\nd,e;f\n", r"--delimiter \(comma or semicolon\)"),
        (b"a,b;c\nd;e\nf\n", r"--delimiter \(comma or semicolon\)"),
        ("prénom,pays\n".encode("cp1252"), "--encoding"),
        ("name,land\n".encode("utf-16-le"), "--encoding utf-16-le"),
        (codecs.BOM_UTF32_LE + "a,b\n".encode("utf-32-le"), "UTF-32"),
        (b"name,country\rAnn,CH\r", "CR alone"),
    ],
)
def test_doubtful_files_are_refused_with_remedy(head: bytes, told: str) -> None:
    with pytest.raises(SignatureFileError, match=told):
        detect(head, name="a.csv")


def test_header_alone_is_enough() -> None:
    assert detect(b"name;country", name="a.csv").delimiter == ";"


def test_delimiters_inside_data_do_not_confuse() -> None:
    head = b"name;town, country\nAnn;a, b\nBob;c\n"

    assert detect(head, name="a.csv").delimiter == ";"


def test_bad_bytes_below_the_header_pass() -> None:
    assert detect(b"name,country\nJos\xe9,ES\n\0,\n", name="a.csv").encoding == "utf-8"


def test_head_cut_inside_a_record_passes() -> None:
    text = 'name,body\nAnn,"' + "字\n" * 1000

    assert detect(text.encode()[:1001], name="a.csv").delimiter == ","


def test_given_options_are_not_doubted() -> None:
    head = "prénom,pays\n".encode("cp1252")

    assert detect(head, name="a", encoding="cp1252", delimiter="tab") == Detected("cp1252", "\t", bom=False)


@pytest.mark.parametrize(
    "options", [{"encoding": "klingon"}, {"encoding": "base64"}, {"delimiter": "::"}, {"delimiter": '"'}]
)
def test_impossible_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(SignatureFileError):
        detect(b"a,b\n", name="a.csv", **options)
