"""Refused rows are kept once each, unread by others, and harmless in a spreadsheet."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from uamail.errors import InputError
from uamail.importing.quarantine import Quarantine
from uamail.wording import from_spreadsheet_cell


@dataclass(frozen=True)
class Refusal:
    line: int
    ordinal: int
    reason: str = "Column consent is empty: say yes or no."
    raw: str = "Ann,CH,\n"


def kept(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: from_spreadsheet_cell(cell) for name, cell in row.items()}
            for row in csv.DictReader(file, strict=True)
        ]


def test_rows_are_kept_with_line_and_reason(tmp_path: Path) -> None:
    raw = '=HYPERLINK("x"),\r\n"multi\nline\t"'
    with Quarantine(tmp_path / "q.csv") as quarantine:
        quarantine.add(Refusal(7, 3, raw=raw))

    assert kept(tmp_path / "q.csv") == [
        {"line": "7", "ordinal": "3", "reason": "Column consent is empty: say yes or no.", "raw": raw}
    ]


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    with Quarantine(tmp_path / "q.csv") as quarantine:
        quarantine.add(Refusal(2, 1))

    assert (tmp_path / "q.csv").stat().st_mode & 0o777 == 0o600


def test_no_file_without_refused_rows(tmp_path: Path) -> None:
    with Quarantine(tmp_path / "q.csv") as quarantine:
        assert len(quarantine) == 0

    assert not (tmp_path / "q.csv").exists()


@pytest.mark.parametrize("raw", ["=1", "+41", "-1", "@x", "\tx", "＝1", "  =1", "'x"])
def test_no_cell_starts_a_formula(tmp_path: Path, raw: str) -> None:
    with Quarantine(tmp_path / "q.csv") as quarantine:
        quarantine.add(Refusal(2, 1, raw=raw))

    assert f'"\'{raw}"' in (tmp_path / "q.csv").read_text("utf-8")
    assert kept(tmp_path / "q.csv")[0]["raw"] == raw


def test_running_again_adds_only_new_rows(tmp_path: Path) -> None:
    for _ in range(2):
        with Quarantine(tmp_path / "q.csv") as quarantine:
            quarantine.add(Refusal(2, 1))
            quarantine.add(Refusal(2, 1))
    with Quarantine(tmp_path / "q.csv") as quarantine:
        quarantine.add(Refusal(5, 4))

        assert len(quarantine) == 2
    assert [row["ordinal"] for row in kept(tmp_path / "q.csv")] == ["1", "4"]


def test_torn_file_continues_after_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    rows = [Refusal(2, 1, raw='"字\n"",x'), Refusal(4, 2)]
    with Quarantine(path) as quarantine:
        for row in rows:
            quarantine.add(row)
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with Quarantine(path) as quarantine:
            for row in rows:
                quarantine.add(row)

        assert path.read_bytes() == whole


def test_file_edited_by_hand_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text('"line","ordinal","reason","raw"\n"2"x\n"3","2","y","z"\n')

    with pytest.raises(InputError, match="move it away"), Quarantine(path):
        pass

    assert path.read_text().endswith('"z"\n')
