"""Addresses of webhooks: only what is safe is taken, and neither the address nor the secret is shown."""

import hmac

import pytest

from uamail.errors import SettingError
from uamail.hook import Hook, signature

URL = "https://hooks.example.org/T00/secret-part"


def test_good_address_is_taken_and_hidden() -> None:
    made = Hook(name="bot", url=URL, secret="s3cret")

    assert "secret-part" not in repr(made)
    assert "s3cret" not in repr(made)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:9/"])
def test_this_machine_may_be_told_in_clear(url: str) -> None:
    assert Hook(name="bot", url=url, secret="s").url == url


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("http://hooks.example.org/", "only to this machine"),
        ("http://127.0.0.1.example.org/", "only to this machine"),
        ("ftp://hooks.example.org/", "https://HOST"),
        ("https:///path", "https://HOST"),
        ("hooks.example.org", "https://HOST"),
        ("https://user:pw@hooks.example.org/", "no name or password"),
        ("https://hooks.example.org/a b", "without spaces"),
        ("https://hooks.example.org/a\r\nX: y", "without spaces"),
        ("https://hooks.example.org/ü", "plain ASCII"),
        ("https://hooks.example.org:99999/", "no URL"),
    ],
)
def test_unsafe_address_is_refused(url: str, remedy: str) -> None:
    with pytest.raises(SettingError, match=remedy) as caught:
        Hook(name="bot", url=url, secret="s")

    assert caught.value.key == "staff.bot.webhook"
    assert url not in str(caught.value)


def test_webhook_without_secret_is_refused() -> None:
    with pytest.raises(SettingError, match="secret_file"):
        Hook(name="bot", url=URL, secret="")


def test_signature_covers_time_and_body() -> None:
    expected = hmac.new(b"key", b'1700000000.{"n":1}', "sha256").hexdigest()

    assert signature("key", 1_700_000_000, b'{"n":1}') == f"t=1700000000,v1={expected}"
    assert signature("key", 1_700_000_001, b'{"n":1}') != signature("key", 1_700_000_000, b'{"n":1}')
