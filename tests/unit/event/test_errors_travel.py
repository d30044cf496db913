"""Errors go from one process to another with all they know."""

import pickle

import pytest

from uamail import errors
from uamail.errors import UamailError

ERRORS = [
    errors.SettingError("fonts", "Noto Serif", "install the package"),
    errors.ActionFileError("a.toml", "action.ua", 61, "write it as text"),
    errors.SignatureFileError("a.csv", "is empty", "Export it again."),
    errors.RelayError("main", "ehlo", "timed out", code=421),
    errors.HookError("ana", "answered 500"),
    errors.MissingGlyph("\U00013000"),
    errors.LayoutStopped("it takes too long"),
    errors.LedgerError("does not hold", 7),
    errors.PrintError("nothing is left"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_comes_out_as_it_went_in(error: UamailError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
