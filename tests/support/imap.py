"""Two IMAP servers over TLS for tests: Debian's dovecot in a directory of its own, and one that follows a script."""

import ipaddress
import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.services import missing

DOVECOT = shutil.which("dovecot", path="/usr/sbin:/usr/bin:/usr/local/sbin")
PASSWORD = "correct-horse"

_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.pem
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
mail_location = maildir:{folder}/mail
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""


def certificate(path: Path, *, days: int = 2) -> Path:
    """A certificate for this machine and its key, in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=30))
        .not_valid_after(today + timedelta(days=days))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def dovecot() -> Iterator[tuple[int, Path, Path]]:
    """A private instance: its port, its Maildir, the certificate to trust. Skips, or fails in CI, without dovecot."""
    if DOVECOT is None:
        missing("no dovecot here: apt-get install dovecot-imapd")
    # Not below pytest's own directories: the server's user may not enter them.
    folder = Path(tempfile.mkdtemp(prefix="uamail-imap-"))
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    mail, port = folder / "mail", _free_port()
    for part in ("tmp", "new", "cur", ".Done/tmp", ".Done/new", ".Done/cur"):
        (mail / part).mkdir(parents=True)
    config = folder / "dovecot.conf"
    group = "nogroup" if user == "nobody" else str(os.getegid())
    config.write_text(_CONFIG.format(folder=folder, user=user, group=group, password=PASSWORD, port=port))
    _hand_over(folder, user)
    server = subprocess.Popen([DOVECOT, "-F", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        _await(port, server)
        yield port, mail, certificate_of(folder)
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder)


def certificate_of(folder: Path) -> Path:
    return folder / "server.pem"


def _hand_over(folder: Path, user: str) -> None:
    certificate(certificate_of(folder))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        for path in (folder / "mail", *(folder / "mail").rglob("*")):
            shutil.chown(path, user)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
        return number


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends and server.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        threading.Event().wait(0.05)
    raise AssertionError("dovecot did not start")


class Scripted:
    """An IMAP server that knows one folder and six commands; `move` False hides MOVE. Keeps the commands it got."""

    def __init__(self, messages: list[bytes], folder: Path, *, move: bool = True, refuse: str = "") -> None:
        self.messages = dict(enumerate(messages, start=101))
        self.seen: set[int] = set()
        self.moved: dict[int, bytes] = {}
        self.commands: list[str] = []
        self.file = certificate(folder / "imap.pem")
        self._move, self._refuse = move, refuse
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.file)
        threading.Thread(target=self._serve, name="imap", daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
                self._talk(connection)

    def _talk(self, connection: ssl.SSLSocket) -> None:
        file = connection.makefile("rwb")
        file.write(b"* OK ready\r\n")
        file.flush()
        for raw in file:
            tag, _, rest = raw.decode().strip().partition(" ")
            self.commands.append(rest)
            word = "NO" if self._refuse and self._refuse in rest else "OK"
            file.write((self._answer(rest) if word == "OK" else b"") + f"{tag} {word} done\r\n".encode())
            file.flush()
            if rest == "LOGOUT":
                return

    def _answer(self, rest: str) -> bytes:
        if rest == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1" + (b" MOVE" if self._move else b"") + b"\r\n"
        if rest.startswith("SELECT"):
            return f"* {len(self.messages)} EXISTS\r\n".encode()
        if rest == "UID SEARCH UNSEEN":
            unseen = sorted(set(self.messages) - self.seen)
            return f"* SEARCH {' '.join(map(str, unseen))}\r\n".encode()
        uid = int(found[1]) if (found := re.match(r"UID \w+ (\d+)", rest)) else 0
        if rest.startswith("UID FETCH"):
            data = self.messages[uid]
            return b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%b)\r\n" % (uid, len(data), data)
        if rest.startswith("UID STORE"):
            self.seen.add(uid)
        if rest.startswith("UID MOVE"):
            self.moved[uid] = self.messages.pop(uid)
        if rest.startswith("UID COPY"):
            self.moved[uid] = self.messages[uid]
        return b""
