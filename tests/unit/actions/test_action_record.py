"""A revision's plain data gives back the action that was accepted."""

import json

import pytest

from uamail.actions.loader import fingerprint, from_plain, load, plain
from uamail.actions.values import ActionFile
from uamail.paths import CONFIG


@pytest.fixture(scope="module")
def action() -> ActionFile:
    return load(CONFIG / "actions" / "ua-61-21-2.toml")


def test_days_are_kept_as_text(action: ActionFile) -> None:
    data = plain(action)

    assert (data["issued"], data["deadline"]["date"], data["closed_on"]) == ("2022-07-29", "2022-09-23", None)
    assert json.loads(json.dumps(data)) == data


def test_old_revisions_may_lack_fields(action: ActionFile) -> None:
    data = plain(action)
    for target in data["targets"]:
        del target["joint"]

    assert from_plain(data) == action


def test_old_revisions_are_not_judged(action: ActionFile) -> None:
    data = plain(action)
    data["targets"][0]["email"] = ["no longer allowed"]

    assert from_plain(data).target("xi-jinping").email == ("no longer allowed",)


def test_foreign_data_is_refused() -> None:
    with pytest.raises(TypeError, match="missing"):
        from_plain({"ua": "61/21"})


def test_order_of_keys_changes_nothing(action: ActionFile) -> None:
    data = dict(reversed(plain(action).items()))

    assert fingerprint(from_plain(data)) == fingerprint(action)
