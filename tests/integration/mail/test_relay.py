"""A relay's terms are refused when they would be unsafe."""

from typing import Any

import pytest

from uamail.errors import SettingError
from uamail.mail.relay import Relay


def relay(**changes: Any) -> Relay:
    terms: dict[str, Any] = {"name": "main", "host": "relay.example", "port": 587, "helo": "office.example"}
    return Relay(**(terms | changes))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("relay.example", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, loopback: bool) -> None:
    assert relay(host=host).loopback is loopback


def test_password_never_travels_in_clear() -> None:
    with pytest.raises(SettingError, match="in clear"):
        relay(tls="none", username="office", password="secret")
    assert relay(tls="none", host="::1", username="office", password="secret").loopback


def test_password_is_not_shown() -> None:
    assert "secret" not in repr(relay(username="office", password="secret"))


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "maybe"},
        {"port": 0},
        {"port": 65536},
        {"helo": ""},
        {"helo": "two words"},
        {"helo": "x\r\nMAIL FROM:<a@b.example>"},
        {"max_connections": 0},
        {"messages_per_connection": 0},
        {"username": "office"},
        {"password": "secret"},
    ],
)
def test_unusable_terms_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="relay main") as caught:
        relay(**changes)
    assert "secret" not in str(caught.value)


def test_defaults_follow_the_standard() -> None:
    waits = relay().timeouts

    assert (relay().tls, waits.connect, waits.command, waits.data, waits.dot) == ("starttls", 30, 300, 120, 600)
    assert waits.transaction >= waits.command * 2 + waits.data + waits.dot
