"""A real Postfix of our own: private configuration, queue and port; it keeps what it accepts on hold."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_DAEMONS = Path("/usr/lib/postfix/sbin")
_QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private"),
    *("public", "saved", "trace"),
)
_MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}
myhostname = relay.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
message_size_limit = 100000
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
  check_recipient_access inline:{{ {{ nobody@gov.example = 550 5.1.1 no such user }},
    {{ later@gov.example = 450 4.2.1 busy }} }}, permit_mynetworks, reject
smtpd_data_restrictions = check_client_access static:HOLD
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """`held`: the queue ids of what it accepted; `log`: the lines of its log so far."""

    root: Path
    port: int

    @property
    def held(self) -> set[str]:
        return {path.name for path in (self.root / "queue" / "hold").rglob("*") if path.is_file()}

    @property
    def log(self) -> str:
        return (self.root / "log" / "mail.log").read_text()


@contextmanager
def postfix() -> Iterator[Postfix]:
    """Running and listening. Skips where there is no Postfix or we are not root, which its master has to be."""
    if not (_DAEMONS / "master").is_file() or os.geteuid() != 0:
        pytest.skip("needs Postfix (apt-get install postfix) and root")
    # Not in pytest's own directory: Postfix's user has to get in.
    root = Path(tempfile.mkdtemp(prefix="postfix-"))
    # A home made before in this process leaves a mask under which the daemons could not open their own queue.
    mask = os.umask(0o022)
    made = Postfix(root, _free_port())
    _furnish(made)
    process = subprocess.Popen([_DAEMONS / "master", "-c", root / "etc", "-d"], stderr=subprocess.DEVNULL)
    try:
        _await_port(made.port)
        yield made
    finally:
        os.umask(mask)
        process.terminate()
        process.wait(10)
        shutil.rmtree(root)


def _furnish(made: Postfix) -> None:
    root, owner = made.root, pwd.getpwnam("postfix")
    root.chmod(0o755)
    for name in ("etc", "queue", "data", "log"):
        (root / name).mkdir(mode=0o755)
    os.chown(root / "data", owner.pw_uid, owner.pw_gid)
    for name in _QUEUES:
        (root / "queue" / name).mkdir(mode=0o755 if name in ("pid", "public") else 0o700)
        if name != "pid":
            os.chown(root / "queue" / name, owner.pw_uid, owner.pw_gid)
    (root / "etc" / "main.cf").write_text(_MAIN.format(root=root, daemons=_DAEMONS))
    (root / "etc" / "master.cf").write_text(_MASTER.format(port=made.port))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _await_port(port: int) -> None:
    ends = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)
        else:
            return
