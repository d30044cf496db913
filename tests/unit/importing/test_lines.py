"""Physical lines come out whole, or cut at the limit, whatever the bytes are."""

import codecs
import io

import pytest

from uamail.importing.lines import LONGEST, Line, read


def lines(data: bytes, encoding: str = "utf-8") -> list[Line]:
    return list(read(io.BytesIO(data), encoding=encoding))


def test_lines_keep_ends_and_numbers() -> None:
    found = lines(b"\xef\xbb\xbfa\r\n\nlast")

    assert [(line.number, line.text) for line in found] == [(1, "a\r\n"), (2, "\n"), (3, "last")]


def test_line_separators_of_unicode_do_not_divide() -> None:
    assert [line.text for line in lines("a\u2028b\x0bc\x85d\n".encode())] == ["a\u2028b\x0bc\x85d\n"]


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)])
def test_utf16_divides_at_code_units(encoding: str, mark: bytes) -> None:
    # U+0A0A has two bytes that look like a line feed.
    text = "\u0a0a\u0a00𠮷\n" * 20_000

    found = lines(mark + text.encode(encoding), encoding)

    assert "".join(line.text for line in found) == text
    assert len(found) == 20_000


def test_characters_across_chunks_stay_whole() -> None:
    text = "a" + "字\n" * 50_000

    found = lines(text.encode())

    assert "".join(line.text for line in found) == text
    assert found[-1].offset == len(text.encode())


def test_endless_line_is_cut_and_left() -> None:
    found = lines(b"a\n" + b"\0" * 3_000_000 + b"\nb\n")

    assert [(line.number, len(line.text), line.cut) for line in found] == [
        (1, 2, False),
        (2, LONGEST + 1, True),
        (3, 2, False),
    ]


def test_bad_bytes_stay_in_their_line() -> None:
    assert [line.text for line in lines(b"a\xe9\nb\n")] == ["a\udce9\n", "b\n"]


def test_half_a_character_at_the_end_shows() -> None:
    assert [line.text for line in lines(b"a\n\0", "utf-16-be")] == ["愊\ufffd"]
