"""Rows of real files: strict, in flat memory, and nothing is lost in silence."""

import codecs
import time
import tracemalloc
from pathlib import Path

import pytest

from uamail.errors import SignatureFileError
from uamail.importing import table
from uamail.importing.detect import HEAD, detect
from uamail.importing.table import BadRow, Row

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "importers"


def written(folder: Path, data: bytes | str) -> Path:
    path = folder / "a.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def reading(path: Path) -> list[Row | BadRow]:
    with path.open("rb") as stream:
        found = detect(stream.read(HEAD), name=path.name)
    return list(table.rows(path, encoding=found.encoding, delimiter=found.delimiter))


def plain(path: Path) -> list[Row | BadRow]:
    return list(table.rows(path, encoding="utf-8", delimiter=","))


def good(found: list[Row | BadRow]) -> list[tuple[str, ...]]:
    return [row.cells for row in found if isinstance(row, Row)]


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
def test_every_encoding_and_delimiter_reads(tmp_path: Path, encoding: str, mark: bytes, delimiter: str) -> None:
    text = 'name|body\r\nZoë|"a, b; c\td ""e""\n\nlast"\r\n小明|\r\n'.replace("|", delimiter)

    found = reading(written(tmp_path, mark + text.encode(encoding)))

    assert good(found) == [("Zoë", 'a, b; c\td "e"\n\nlast'), ("小明", "")]
    assert [(row.line, row.ordinal) for row in found] == [(2, 1), (5, 2)]


def test_header_is_stripped_and_free_of_marks(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff\n name ,country\nAnn,CH\n")

    assert table.header(path, encoding="utf-8", delimiter=",") == ("name", "country")
    assert good(plain(path)) == [("Ann", "CH")]


def test_rows_of_another_width_are_bad(tmp_path: Path) -> None:
    found = plain(written(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8,\n9,0\n"))

    assert good(found) == [("1", "2"), ("9", "0")]
    assert [row.reason for row in found if isinstance(row, BadRow)] == [
        "the row has 1 fields and the header 2",
        "the row has 3 fields and the header 2",
        "the row has 3 fields and the header 2",
    ]


def test_empty_last_column_needs_one_in_header(tmp_path: Path) -> None:
    found = plain(written(tmp_path, "a,b,\n1,2,\n3,4\n"))

    assert good(found) == [("1", "2", "")]
    assert isinstance(found[1], BadRow)


def test_blank_rows_are_not_counted(tmp_path: Path) -> None:
    found = plain(written(tmp_path, "a,b\n\n1,2\n,\n\r\n3,4\n\n"))

    assert [(row.line, row.ordinal) for row in found] == [(3, 1), (6, 2)]


def test_raw_is_what_stands_in_the_file(tmp_path: Path) -> None:
    found = plain(written(tmp_path, 'a,b\n"x\ny",2\n"bad"x,\n'))

    assert [row.raw for row in found] == ['"x\ny",2\n', '"bad"x,\n']


def test_unmatched_quote_loses_one_row(tmp_path: Path) -> None:
    rows = "".join(f"name {number},CH\n" for number in range(3000))

    found = plain(written(tmp_path, f'a,b\n"Ann,CH\n{rows}"Zoë",FR\n'))

    assert [row.raw for row in found if isinstance(row, BadRow)] == ['"Ann,CH\n']
    assert len(good(found)) == 3001


def test_quote_open_to_the_end_loses_one_row(tmp_path: Path) -> None:
    found = plain(written(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n7,8'))

    assert good(found) == [("1", "2"), ("5", "6"), ("7", "8")]
    assert [(row.line, row.ordinal) for row in found] == [(2, 1), (3, 2), (4, 3), (5, 4)]


def test_file_of_broken_quotes_takes_linear_time(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + 'a","\n' * 600_000)
    began = time.process_time()

    found = plain(path)

    assert not good(found)
    assert sum(row.raw.count("\n") for row in found) == 600_000
    assert time.process_time() - began < 20


def test_bad_bytes_lose_one_row(tmp_path: Path) -> None:
    found = plain(written(tmp_path, b'a,b\n1,2\nJos\xe9,"x\ny"\n3,4\n'))

    assert good(found) == [("1", "2"), ("3", "4")]
    assert found[1].raw == 'Jos\\xe9,"x\ny"\n'
    assert isinstance(found[1], BadRow)
    assert found[1].reason == "the row has bytes that the encoding does not know"


def test_nul_loses_one_row(tmp_path: Path) -> None:
    found = plain(written(tmp_path, b"a,b\n1\0,2\n3,4\n"))

    assert good(found) == [("3", "4")]
    assert found[0].raw == "1␀,2\n"


@pytest.mark.parametrize("filler", [b",", b"\0", b"x", b'"', b'",'])
def test_giant_rows_are_refused_in_flat_memory(tmp_path: Path, filler: bytes) -> None:
    path = written(tmp_path, b"a,b\n1,2\n" + filler * 4_000_000 + b"\n3,4\n")
    tracemalloc.start()

    found = plain(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert good(found) == [("1", "2"), ("3", "4")]
    assert len(found) == 3
    assert len(found[1].raw) <= 100_001
    assert peak < 10_000_000


def test_hundred_thousand_rows_stream_in_flat_memory(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + ('Ann,"' + "字" * 30 + '\n\nx"\n') * 100_000)
    tracemalloc.start()

    count = sum(isinstance(row, Row) for row in table.rows(path, encoding="utf-8", delimiter=","))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 3_000_000


def test_offsets_reach_the_size_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + "Zoë,CH\n" * 50_000)

    offsets = [row.offset for row in table.rows(path, encoding="utf-8", delimiter=",")]

    assert offsets == sorted(offsets)
    assert offsets[-1] == path.stat().st_size


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "no header"), (b'"a,b\n', "header cannot be read"), (b"a\0,b\n", "header cannot be read")],
)
def test_unreadable_header_refuses_the_file(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(SignatureFileError, match=told):
        plain(written(tmp_path, data))


def test_missing_file_and_encoding_are_explained(tmp_path: Path) -> None:
    with pytest.raises(SignatureFileError, match="cannot be read"):
        plain(tmp_path / "none.csv")
    with pytest.raises(SignatureFileError, match="no encoding klingon"):
        table.header(written(tmp_path, "a,b\n"), encoding="klingon", delimiter=",")


def test_quotes_that_are_not_doubled_are_caught(tmp_path: Path) -> None:
    broken = '"小明"\t"I said "let them go", now.\nSecond line"\t"zh_TW"\n'
    message = f'First Name\tCustom Message\tLanguage\n{broken}"Zoë"\t""\t"de"\n'

    found = reading(written(tmp_path, codecs.BOM_UTF16_LE + message.encode("utf-16-le")))

    assert good(found) == [("Zoë", "", "de")]
    assert [row.line for row in found if isinstance(row, BadRow)] == [2, 3]


def test_real_utf16_tab_export_reads() -> None:
    path = SAMPLES / "speakout_v1.csv"
    if not path.exists():
        pytest.skip("no sample exports beside the repository")

    found = reading(path)

    assert len(found[0].raw) > 0
    assert [type(row).__name__ for row in found] == ["BadRow", "BadRow", "Row"]
    assert all(len(cells) == 16 for cells in good(found))
