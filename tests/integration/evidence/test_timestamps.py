"""Time stamps of a local authority: OpenSSL's, behind a small HTTP server."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration.evidence.day import Office, meddle
from uamail.errors import InputError, LedgerError
from uamail.ledger import timestamp

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """A root, and a time stamping certificate that it signed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        extensions = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        (folder / "ext").write_text(extensions + "extendedKeyUsage=critical,timeStamping\n")
        root = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=root.example",
                      *root, "-keyout", "root.key", "-out", "root.pem")  # fmt: skip
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tsa.example", "-keyout", "tsa.key",
                      "-out", "tsa.csr")  # fmt: skip
        self._openssl("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
                      "-days", "30", "-extfile", "ext", "-out", "tsa.pem")  # fmt: skip

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)

    @property
    def root(self) -> Path:
        return self._folder / "root.pem"

    def answer(self, query: bytes) -> bytes:
        (self._folder / "query").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply")
        return (self._folder / "reply").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


@contextmanager
def serving(authority: Authority) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == timestamp.QUERY_TYPE
            body = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tsa"
        server.shutdown()
        thread.join()


def stamped(office: Office, url: str, authority: Authority) -> Office:
    return office.at(
        office.desk.home, UAMAIL_AUDIT__TIMESTAMP_URL=url, UAMAIL_AUDIT__TIMESTAMP_CA_FILE=str(authority.root)
    )


def test_checkpoint_is_stamped_and_verified_offline(office: Office, authority: Authority) -> None:
    with serving(authority) as url:
        there = stamped(office, url, authority)
        there.desk.ask("audit", "anchor")

    facts = there.desk.ask("audit", "verify")
    said = there.desk.quick("audit", "verify").out
    assert (facts["timestamp"]["size"], facts["timestamp"]["name"]) == (facts["size"], url)
    assert f"stamped by {url} up to entry {facts['size'] - 1}" in said


def test_stamp_of_another_checkpoint_is_a_finding(office: Office, authority: Authority) -> None:
    with serving(authority) as url:
        there = stamped(office, url, authority)
        there.desk.ask("audit", "anchor")
    meddle(office, "UPDATE audit_anchor SET size = (SELECT min(size) FROM audit_checkpoint)")

    said = there.desk.quick("audit", "verify")

    assert (said.code, "the time stamp does not hold" in said.err) == (1, True)


def test_other_authority_is_not_believed(office: Office, authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    with serving(stranger) as url:
        said = stamped(office, url, authority).desk.quick("audit", "anchor")

    assert (said.code, "the time stamp does not hold" in said.err) == (1, True)


def test_stamp_is_of_these_very_bytes(authority: Authority) -> None:
    token, roots = authority.answer(timestamp.query(b"checkpoint")), authority.root.read_bytes()

    assert timestamp.stamped_at(token, b"checkpoint", roots=roots).tzinfo is not None
    with pytest.raises(LedgerError):
        timestamp.stamped_at(token, b"checkpoinT", roots=roots)
    with pytest.raises(LedgerError):
        timestamp.stamped_at(token[:-1], b"checkpoint", roots=roots)
    with pytest.raises(InputError):
        timestamp.stamped_at(token, b"checkpoint", roots=b"no certificate")
