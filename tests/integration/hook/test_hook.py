"""A webhook gets its document once, signed, over verified TLS; everything else is an error that names no address."""

import json
import time

import pytest

from tests.integration.mail.test_transport_tls import ELSEWHERE, HERE, Authority, certificate, save
from tests.support.staff import SECRET, WebServer
from uamail.errors import HookError
from uamail.hook import Hook, post

DOCUMENT = {"cause": "relay", "text": "Relay main refuses us – again", "n": 3}
AT = 1_790_000_000


def hook(port: int, *, scheme: str = "http", host: str = "127.0.0.1", ca_file: str | None = None) -> Hook:
    return Hook(name="bot", url=f"{scheme}://{host}:{port}/in?team=7", secret=SECRET, ca_file=ca_file)


def test_document_arrives_with_its_signature() -> None:
    with WebServer() as server:
        post(hook(server.port), DOCUMENT, id="uamail-alert-7", at=AT)

    (got,) = server.got
    assert (got.path, got.json) == ("/in?team=7", DOCUMENT)
    assert (got.headers["Content-Type"], got.headers["Uamail-Id"]) == ("application/json", "uamail-alert-7")
    assert got.signed()
    assert not got.signed("another secret")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_success(status: int) -> None:
    with WebServer([status]) as server:
        post(hook(server.port), DOCUMENT, id="1", at=AT)

    assert len(server.got) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500, 503])
def test_other_answers_are_errors(status: int) -> None:
    with (
        WebServer() as elsewhere,
        WebServer([status], location=f"http://127.0.0.1:{elsewhere.port}/") as server,
        pytest.raises(HookError, match=f"it answered {status}") as caught,
    ):
        post(hook(server.port), DOCUMENT, id="1", at=AT)

    assert (len(server.got), elsewhere.got) == (1, [])
    assert (str(server.port) in str(caught.value), "team" in str(caught.value)) == (False, False)


def test_silent_server_is_left_in_time() -> None:
    began = time.monotonic()
    with WebServer(stall=True) as server, pytest.raises(HookError, match="no answer"):
        post(hook(server.port), DOCUMENT, id="1", at=AT, timeout=0.3)

    assert time.monotonic() - began < 5


def test_closed_port_is_an_error() -> None:
    with WebServer() as server:
        port = server.port

    with pytest.raises(HookError, match="no answer"):
        post(hook(port), DOCUMENT, id="1", at=AT)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of our own, a good certificate and one for another name."""
    folder = tmp_path_factory.mktemp("ca")
    root = certificate("authority", HERE, ca=True)
    save(folder / "ca.pem", root)
    save(folder / "good.pem", certificate("localhost", HERE, issuer=root))
    save(folder / "other.pem", certificate("relay.example", ELSEWHERE, issuer=root))
    return Authority(folder)


def test_certificate_of_our_authority_is_taken(authority: Authority) -> None:
    with WebServer(tls=authority.server("good")) as server:
        post(hook(server.port, scheme="https", host="localhost", ca_file=authority.file), DOCUMENT, id="1", at=AT)

    assert [json.loads(one.body) for one in server.got] == [DOCUMENT]


@pytest.mark.parametrize(("name", "known"), [("other", True), ("good", False)])
def test_bad_certificate_gets_nothing(authority: Authority, name: str, known: bool) -> None:
    ca_file = authority.file if known else None
    with WebServer(tls=authority.server(name)) as server, pytest.raises(HookError, match="certificate") as caught:
        post(hook(server.port, scheme="https", host="localhost", ca_file=ca_file), DOCUMENT, id="1", at=AT)

    assert server.got == []
    assert "localhost" not in str(caught.value)
