"""A home is made once, opened by anybody, and safe to make again."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from uamail import installation
from uamail.db import migrate
from uamail.errors import NotFound, RuleRefused, SettingError
from uamail.installation import Installation, open_home
from uamail.mail.route import order


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_is_private_and_complete(home: Installation) -> None:
    root = home.home.root

    assert {mode(path) for path in home.home.directories()} == {0o700}
    assert {mode(path) for path in home.home.keys.iterdir()} == {0o600}
    assert (root / "uamail.toml").is_file()
    assert migrate.differences(home.db) == []


def test_making_a_home_again_changes_nothing(home: Installation) -> None:
    root = home.home.root
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "uamail.db" not in path.name}
    mask = os.umask(0o077)
    again = installation.create(root)
    os.umask(mask)
    after = {path: path.read_bytes() for path in before}
    again.close()

    assert after == before


def test_missing_home_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="uamail init"):
        open_home(tmp_path / "nowhere")


def test_limits_are_lifted_on_loopback_only(home: Installation) -> None:
    local = Installation(home.settings, pacing=False)
    far = home.settings.relays["main"].model_copy(update={"host": "mx.example.org"})
    abroad = home.settings.model_copy(update={"relays": {"main": far}})

    assert (local.terms.rates, local.terms.rehearsal) == (None, True)
    with pytest.raises(RuleRefused, match="loopback"):
        _ = Installation(abroad, pacing=False).terms
    assert Installation(abroad).terms.rehearsal is False


def test_unknown_relay_names_the_remedy(home: Installation) -> None:
    mail = home.settings.mail.model_copy(update={"relay": "other"})
    wrong = replace(home, settings=home.settings.model_copy(update={"mail": mail}))

    with pytest.raises(SettingError, match=r"\[relays\.other\]"):
        _ = wrong.relay


def test_keys_of_a_home_stay_the_same(home: Installation) -> None:
    again = open_home(home.home.root)

    assert again.keys.lookup("signer", "x") == home.keys.lookup("signer", "x")
    assert again.house.message_id(1) == home.house.message_id(1)
    again.close()


def test_every_relay_is_there_with_its_route(home: Installation) -> None:
    main = home.settings.relays["main"]
    others = {
        "gov": main.model_copy(update={"host": "mx.gov.example", "tls": "starttls", "routes": ["gov.example"]}),
        "idle": main.model_copy(update={"preference": 20}),
    }
    several = replace(home, settings=home.settings.model_copy(update={"relays": {"main": main, **others}}))

    assert {name: relay.host for name, relay in several.relays.items()} == {
        "main": "127.0.0.1",
        "gov": "mx.gov.example",
        "idle": "127.0.0.1",
    }
    assert several.relays["main"] is several.relay
    assert order(several.routes, "gov.example") == ("gov", "main")
    assert order(several.routes, "gov.example", paused={"main", "gov"}) == ()
    assert order(several.routes, "other.example") == ("main",)


def test_unsafe_relay_in_reserve_is_refused(home: Installation) -> None:
    open_door = home.settings.relays["main"].model_copy(update={"host": "mx.example.org", "username": "office"})
    relays = {**home.settings.relays, "spare": open_door}
    several = replace(home, settings=home.settings.model_copy(update={"relays": relays}))

    assert several.relay.name == "main"
    with pytest.raises(SettingError, match="spare"):
        _ = several.relays
