"""Result files of a fax server: read strictly, and nothing of them is trusted to be short or clean."""

import json

import pytest

from uamail.errors import InputError
from uamail.fax import result


@pytest.mark.parametrize("status", result.STATUSES)
def test_result_is_read(status: str) -> None:
    told = result.read("F12", json.dumps({"status": status, "reason": "a\n b\x00c", "pages": 2}).encode())

    assert (told.attempt_id, told.status, told.reason) == (12, status, "a b c")


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("F0", b'{"status": "sent"}', "no job of ours"),
        ("F01", b'{"status": "sent"}', "no job of ours"),
        ("F1.tiff", b'{"status": "sent"}', "no job of ours"),
        ("F\u0661", b'{"status": "sent"}', "no job of ours"),
        ("F1", b"sent", "not JSON"),
        ("F1", b"\xff", "not JSON"),
        ("F1", b"[" * 100_000, "more than 65536 bytes"),
        ("F1", b'["sent"]', "its status"),
        ("F1", b'{"status": "delivered"}', "its status"),
        ("F1", b'{"status": "busy", "reason": 7}', "its status"),
        ("F1", b"{}", "its status"),
    ],
)
def test_what_is_no_result_is_refused(name: str, data: bytes, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        result.read(name, data)

    assert problem in str(refused.value)


def test_long_reason_is_cut() -> None:
    told = result.read("F1", json.dumps({"status": "failed", "reason": "x" * 5000}).encode())

    assert len(told.reason) == 200
