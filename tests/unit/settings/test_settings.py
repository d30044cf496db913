"""Settings: shipped defaults, the home's file over them, the environment over both; errors name the remedy."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from uamail import settings
from uamail.errors import SettingError
from uamail.paths import CONFIG, TEMPLATES, Home
from uamail.settings import Settings

Write = Callable[[str], Settings]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("UAMAIL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def loaded(tmp_path: Path) -> Write:
    """The settings of a home whose uamail.toml says this."""

    def write(text: str) -> Settings:
        (tmp_path / "uamail.toml").write_text(text)
        return settings.load(tmp_path)

    return write


def test_defaults_are_complete(tmp_path: Path) -> None:
    found = settings.load(tmp_path)

    assert found.database_url == f"sqlite:///{tmp_path / 'uamail.db'}"
    assert (found.broker.url, found.mail.relay, found.release.second_person) == ("embedded", "main", False)
    assert set(found.pacing) == {"mailbox", "number", "fax", "domain", "relay", "all"}


def test_home_needs_only_what_differs(loaded: Write) -> None:
    found = loaded("[mail]\ndomain = 'ua.example.org'\n[limits.'gov.example']\nburst=1\ncount=2\nperiod_seconds=3\n")

    assert (found.mail.domain, found.mail.sender) == ("ua.example.org", "appeals")
    assert found.limits["gov.example"].count == 2


def test_environment_wins_over_the_file(loaded: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UAMAIL_RELAYS__MAIN__PORT", "4025")
    monkeypatch.setenv("UAMAIL_MAIL__NEVER_SEND", "true")

    found = loaded("[relays.main]\nhost = 'mx.example'\nport = 25\n")

    assert (found.relays["main"].host, found.relays["main"].port, found.mail.never_send) == ("mx.example", 4025, True)


def test_empty_environment_is_ignored(loaded: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UAMAIL_MAIL__DOMAIN", "")

    assert loaded("").mail.domain == "ua.example"


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("[mail]\nnever_sent = true", "mail.never_sent", "no such setting"),
        ("[maill]\nx = 1", "maill", "no such setting"),
        ("[relays.main]\nport = 70000", "relays.main.port", "less than or equal to 65535"),
        ("[pacing.mailbox]\nburst = 0", "pacing.mailbox.burst", "greater than or equal to 1"),
        ("[work]\nlease_seconds = 3", "work.lease_seconds", "greater than or equal to 10"),
        ("[print]\nmode = 'pigeon'", "print.mode", "'individual'"),
    ],
)
def test_wrong_setting_names_key_and_remedy(loaded: Write, text: str, key: str, remedy: str) -> None:
    with pytest.raises(SettingError) as caught:
        loaded(text)

    assert caught.value.key == key
    assert remedy in str(caught.value)
    assert "uamail.toml" in str(caught.value)


def test_broken_file_is_named(loaded: Write) -> None:
    with pytest.raises(SettingError, match=r"uamail\.toml.*this is not TOML"):
        loaded("[mail\n")


def test_settings_cannot_be_changed(loaded: Write) -> None:
    found = loaded("")

    with pytest.raises(ValueError, match="frozen"):
        found.mail.domain = "other.example"  # type: ignore[misc]


def test_password_is_read_from_its_private_file(loaded: Write, tmp_path: Path) -> None:
    file = tmp_path / "relay.password"
    file.write_text("hunter2\n")
    file.chmod(0o600)

    found = loaded("[relays.main]\npassword_file = 'relay.password'\n").relay_password("main")

    assert found is not None
    assert (found.get_secret_value(), "hunter2" in repr(found)) == ("hunter2", False)


@pytest.mark.parametrize(("mode", "remedy"), [(0o644, "chmod 600"), (None, "mode 0600")])
def test_open_or_missing_password_is_refused(loaded: Write, tmp_path: Path, mode: int | None, remedy: str) -> None:
    if mode is not None:
        (tmp_path / "relay.password").write_text("hunter2")
        (tmp_path / "relay.password").chmod(mode)

    with pytest.raises(SettingError, match=remedy):
        loaded("[relays.main]\npassword_file = 'relay.password'\n").relay_password("main")


def test_relay_without_password_has_none(loaded: Write) -> None:
    assert loaded("").relay_password("main") is None


def test_home_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UAMAIL_HOME", "/srv/ua")

    assert settings.default_home() == Path("/srv/ua")


def test_shipped_files_are_found() -> None:
    assert (CONFIG / "uamail.toml").is_file()
    assert (TEMPLATES / "print" / "letter.html").is_file()


def test_every_default_is_explained() -> None:
    lines = (CONFIG / "uamail.toml").read_text("utf-8").splitlines()
    bare = [
        line
        for place, line in enumerate(lines)
        if "=" in line and not line.startswith("#") and not lines[place - 1].startswith("#")
    ]

    assert bare == []


def test_home_keeps_everything_below_its_root() -> None:
    home = Home(Path("/srv/ua"))

    parts = [home.settings_file, home.database, *home.directories()]
    assert all(part.is_relative_to(home.root) for part in parts)
    assert len(set(parts)) == len(parts)


def test_pacing_file_holds_limits_only() -> None:
    assert set(tomllib.loads((CONFIG / "pacing.toml").read_text("utf-8"))) == {"pacing", "limits"}


_SIGNING = (
    "[mail]\ndomain = 'ua.example.org'\n[dkim]\nmode = 'rsa+ed25519'\nrsa_selector = 'r1'\ned25519_selector = 'e1'\n"
)


def test_relay_signs_unless_told(tmp_path: Path) -> None:
    found = settings.load(tmp_path)

    assert (found.dkim.mode, found.dkim.kinds) == ("relay", ())


@pytest.mark.parametrize(("domain", "signed"), [("", "ua.example.org"), ("example.org", "example.org")])
def test_signing_domain_is_that_of_from_or_above(loaded: Write, domain: str, signed: str) -> None:
    found = loaded(f"{_SIGNING}domain = '{domain}'\n")

    assert found.dkim_domain == signed
    assert found.dkim.key_file("ed25519") == "keys/dkim-e1.pem"


@pytest.mark.parametrize("domain", ["org", "example.net", "mail.ua.example.org", "a.example.org", "xample.org"])
def test_domain_that_is_not_aligned_is_refused(loaded: Write, domain: str) -> None:
    with pytest.raises(SettingError, match=r"dkim\.domain .*ua\.example\.org, the domain of From, or a domain above"):
        loaded(f"{_SIGNING}domain = '{domain}'\n")


@pytest.mark.parametrize("selector", ["", "a b", "a.b", "-a", "a;b", "a\\nb", "x" * 64])
def test_selector_is_a_dns_label(loaded: Write, selector: str) -> None:
    with pytest.raises(SettingError, match=r"dkim\.rsa_selector"):
        loaded(_SIGNING.replace("'r1'", f'"{selector}"'))


def test_key_file_of_others_is_refused(loaded: Write, tmp_path: Path) -> None:
    found = loaded(f"{_SIGNING}rsa_key_file = 'dkim.pem'\n")
    with pytest.raises(SettingError, match="uamail dkim key --kind rsa --selector r1"):
        found.dkim_key("rsa")
    (tmp_path / "dkim.pem").write_text("key")
    (tmp_path / "dkim.pem").chmod(0o640)

    with pytest.raises(SettingError, match=r"chmod 600 dkim\.pem"):
        found.dkim_key("rsa")
    (tmp_path / "dkim.pem").chmod(0o600)

    assert found.dkim_key("rsa") == b"key"


@pytest.mark.parametrize(("every", "pause"), [(600.0, 10.0), (400.0, 10.0)])
def test_pause_that_would_stop_all_mail_is_refused(loaded: Write, every: float, pause: float) -> None:
    text = f"[audit]\ncheckpoint_seconds = {every}\npause_minutes = {pause}\n"

    with pytest.raises(SettingError, match="pause_minutes"):
        loaded(text)


def test_record_may_be_signed_seldom_where_nothing_pauses(loaded: Write) -> None:
    text = "[audit]\ncheckpoint_seconds = 3600.0\npause_minutes = 0\n"

    assert loaded(text).audit.pause_minutes == 0


@pytest.mark.parametrize(
    "url", ["http://letters.example", "https://letters.example/", "https://", "https://a b", "https://x/?q", "ftp://x"]
)
def test_address_that_no_mail_program_would_trust_is_refused(loaded: Write, url: str) -> None:
    text = f'[web]\npublic_url = "{url}"\n'

    with pytest.raises(SettingError, match="public_url"):
        loaded(text)


@pytest.mark.parametrize("url", ["", "https://letters.example", "https://x.example/ua/1", "http://127.0.0.1:8021"])
def test_address_of_the_house(loaded: Write, url: str) -> None:
    text = f'[web]\npublic_url = "{url}"\n'

    assert loaded(text).web.public_url == url
