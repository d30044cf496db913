"""`uamail serve` as the world sees it: a real server, real connections, and nothing that a GET could change."""

import asyncio
import base64
import contextlib
import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from tests.acceptance.desk import UAMAIL, Desk
from tests.integration.cli.conftest import made_desk
from tests.support.databases import Templates
from tests.support.world import World, events, result
from tests.unit.mail.test_webhook import NOW, TOPIC, signer, sns
from uamail.errors import OutsideError
from uamail.installation import open_home
from uamail.models import Delivery, Incoming
from uamail.web import app
from uamail.web.certificates import Certificates

LOGIN = "postmark:ours"
PROOF = {"Authorization": "Basic " + base64.b64encode(LOGIN.encode()).decode()}
CAREFUL = ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control")


@pytest.fixture
def desk(templates: Templates, tmp_path: Path) -> Desk:
    made = made_desk(templates, tmp_path)
    (made.home / "postmark.txt").write_text(LOGIN + "\n")
    (made.home / "postmark.txt").chmod(0o600)
    (made.home / "uamail.toml").write_text('[bounces]\npostmark_password_file = "postmark.txt"\n')
    return made


@pytest.fixture
def world(desk: Desk) -> Iterator[World]:
    inst = open_home(desk.home)
    made = World(inst)
    made.publish()
    yield made
    inst.close()


@contextmanager
def served(desk: Desk) -> Iterator[int]:
    """The port of the real command in its own process, which ends as systemd would end it."""
    server = subprocess.Popen(
        [UAMAIL, "serve", "--port", "0"],
        env=desk.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        first = server.stderr.readline()
        assert first.startswith("listening on 127.0.0.1:"), first
        yield int(first.rpartition(":")[2])
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) in (0, -signal.SIGTERM)
    finally:
        server.kill()
        server.communicate()


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def sent(world: World) -> Delivery:
    world.letters(1)
    [claim, *_] = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    return world.delivery(claim.delivery_id)


def bounced(world: World, one: Delivery) -> bytes:
    message_id = world.inst.house.message_id(one.id)
    said: dict[str, Any] = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "ID": 4711,
        "Details": "smtp;550 5.1.1 no such user",
        "From": world.inst.house.bounce(one.id),
        "Content": f"Message-ID: {message_id}\r\n",
    }
    return json.dumps(said).encode()


def rows(world: World) -> list[Incoming]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Incoming)).scalars())


def test_health_and_metrics(desk: Desk) -> None:
    with served(desk) as port:
        status, headers, body = ask(port, "GET", "/healthz")
        metrics = ask(port, "GET", "/metrics")
        passed_on = ask(port, "GET", "/metrics", X_Forwarded_For="198.51.100.7")

    assert (status, body) == (200, b"ok\n")
    assert all(name in headers for name in CAREFUL)
    assert "server" not in headers
    assert metrics[0] == 200
    assert b"uamail_deliveries" in metrics[2]
    assert passed_on[0] == 404


def test_health_without_a_database(desk: Desk) -> None:
    with served(desk) as port:
        for path in desk.home.glob("uamail.db*"):
            path.unlink()
        (desk.home / "uamail.db").mkdir()
        status, _, body = ask(port, "GET", "/healthz")

    assert (status, body) == (503, b"the database does not answer\n")


def test_genuine_call_bounces_a_letter_once(desk: Desk, world: World) -> None:
    one = sent(world)

    with served(desk) as port:
        first = ask(port, "POST", "/hooks/postmark", bounced(world, one), **PROOF)
        again = ask(port, "POST", "/hooks/postmark", bounced(world, one), **PROOF)

    assert (first[0], again[0]) == (200, 200)
    assert world.delivery(one.id).state == "bounced"
    assert [(row.source, row.state) for row in rows(world)] == [("postmark", "matched")]
    assert len(events(world, "delivery:bounced")) == 1


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/hooks/postmark", {"Authorization": "Basic b3RoZXI6b25l"}, 403),
        ("/hooks/postmark", {}, 403),
        ("/hooks/mailgun", PROOF, 404),
        ("/hooks/ses", PROOF, 404),
        ("/hooks/other", PROOF, 404),
        ("/hooks/../metrics", PROOF, 404),
    ],
)
def test_call_that_proves_nothing_changes_nothing(
    desk: Desk, world: World, path: str, headers: dict[str, str], status: int
) -> None:
    one = sent(world)

    with served(desk) as port:
        found, _, body = ask(port, "POST", path, bounced(world, one), **headers)

    assert found == status
    assert b"postmark" not in body
    assert rows(world) == []
    assert world.delivery(one.id).state == "accepted"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_a_post_is_a_call(desk: Desk, world: World, method: str) -> None:
    one = sent(world)

    with served(desk) as port:
        status, _, _ = ask(port, method, "/hooks/postmark", bounced(world, one), **PROOF)

    assert status == 405
    assert rows(world) == []


def test_body_without_an_end_is_cut_off(desk: Desk) -> None:
    with served(desk) as port:
        status, _, _ = ask(port, "POST", "/hooks/postmark", b"x" * (3 << 20), **PROOF)
        endless = poured(port, b"POST /hooks/postmark HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        still = ask(port, "GET", "/healthz")

    assert status == 413
    assert endless < 16 << 20
    assert still[0] == 200


def poured(port: int, head: bytes) -> int:
    """How many bytes of a body the server takes before it hangs up; 32 MiB at most."""
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    taken = 0
    with socket.create_connection(("127.0.0.1", port)) as raw, contextlib.suppress(ConnectionError):
        raw.sendall(head)
        while taken < 32 << 20:
            raw.sendall(piece)
            taken += len(piece)
    return taken


def test_nonsense_is_refused_without_a_traceback(desk: Desk) -> None:
    with served(desk) as port:
        answers = [ask(port, "POST", "/hooks/postmark", body, **PROOF) for body in (b"", b"[1]", b"{", b"\xff\x00")]

    assert {status for status, _, _ in answers} == {400}
    assert all(body == b"" for _, _, body in answers)


def test_port_that_is_taken(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        said = desk.run("serve", "--port", door.getsockname()[1])

    assert said.code == 4
    assert "in use" in said.err


def test_certificates_are_fetched_once_and_failures_are_not_kept() -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if len(asked) == 1:
            raise OutsideError("no answer")
        return b"PEM"

    kept = Certificates(fetch)
    with pytest.raises(OutsideError):
        kept.get("https://sns.eu-central-1.amazonaws.com/a.pem")

    assert [kept.get("https://sns.eu-central-1.amazonaws.com/a.pem") for _ in range(3)] == [b"PEM"] * 3
    assert len(asked) == 2


def called(world: World, message: dict[str, str]) -> int:
    """The answer to a call of SES, where the certificate comes from us instead of Amazon."""
    made = app.make(world.inst, fetch=lambda _: signer()[0])
    body, answers = json.dumps(message).encode(), list[int]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/hooks/ses", "raw_path": b"/hooks/ses", "query_string": b""}
    asyncio.run(made({**scope, "headers": [], "http_version": "1.1", "client": ("127.0.0.1", 1)}, receive, send))
    return answers[0]


@pytest.fixture
def ses(desk: Desk) -> Iterator[World]:
    (desk.home / "uamail.toml").write_text(f'[bounces]\nses_topic = "{TOPIC}"\n')
    inst = open_home(desk.home)
    made = World(inst)
    made.publish()
    yield made
    inst.close()


@pytest.mark.parametrize(
    ("changes", "status", "state"),
    [({}, 200, "bounced"), ({"SigningCertURL": "https://evil.example/x.pem"}, 403, "accepted")],
)
def test_message_of_ses_is_believed_by_its_signature(
    ses: World, changes: dict[str, str], status: int, state: str
) -> None:
    one = sent(ses)
    said = {
        "notificationType": "Bounce",
        "bounce": {"bounceSubType": "NoEmail", "bouncedRecipients": [{"status": "5.1.1"}]},
        "mail": {"source": ses.inst.house.bounce(one.id)},
    }

    with time_machine.travel(NOW, tick=True):
        found = called(ses, sns(said, **changes))

    assert found == status
    assert ses.delivery(one.id).state == state
