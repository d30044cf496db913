"""A private Postfix: its own configuration, queue and log in a directory of its own, on a free port of this machine."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email import policy
from email.parser import BytesParser
from pathlib import Path

from tests.support.services import missing

_DAEMONS = ("/usr/lib/postfix/sbin", "/usr/libexec/postfix", "/usr/lib/postfix")
# No mail system of this machine is asked for anything: no aliases, no DNS, no lookups of users.
_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/mail.log
maillog_file_prefixes = {root}
myhostname = mx1.relay.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtp_dns_support_level = disabled
smtp_host_lookup = native
virtual_mailbox_domains = regexp:{root}/domains
virtual_mailbox_base = {root}
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def need() -> Path:
    """The directory of Postfix's daemons. Skips, or fails in CI, without Postfix or without root."""
    found = next((Path(one) for one in _DAEMONS if (Path(one) / "master").exists()), None)
    if found is not None and os.geteuid() == 0 and shutil.which("postfix"):
        return found
    line = "no Postfix here: apt-get install postfix" if found is None else "Postfix's master needs root"
    missing(line)


class Postfix:
    """A running Postfix. Mail to `.example` lands in the Maildir `box` or, with `onward`, at another server."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port

    @property
    def log(self) -> Path:
        return self.root / "mail.log"

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def box(self) -> list[bytes]:
        """The mails that have arrived in the Maildir."""
        return [path.read_bytes() for path in sorted((self.root / "box/new").glob("*"))]

    def arrived(self) -> Counter[str]:
        """Message-ID -> how often it lies in the Maildir."""
        reader = BytesParser(policy=policy.default)
        return Counter(str(reader.parsebytes(one, headersonly=True)["Message-ID"]) for one in self.box())

    def held(self) -> set[str]:
        """The queue ids of what it keeps on hold."""
        return {path.name for path in (self.root / "queue/hold").rglob("*") if path.is_file()}

    def rotate(self) -> Path:
        """Give the log another name and let Postfix begin a new one, as logrotate does; returns the old one."""
        number = len(list(self.root.glob("mail.log.*"))) + 1
        old = self.log.rename(self.root / f"mail.log.{number}")
        subprocess.run(["postfix", "-c", self.root / "etc", "reload"], check=True, capture_output=True)
        return old


def onward(port: int) -> dict[str, str]:
    """Changes of main.cf that pass everything on to a server on a port of this machine, the sink for example."""
    return {"relayhost": f"[127.0.0.1]:{port}", "virtual_mailbox_domains": ""}


@contextmanager
def running(**changes: str) -> Iterator[Postfix]:
    """A Postfix whose main.cf has these changes, stopped with all its daemons when the block ends."""
    daemons = need()
    # Not below pytest's directories: they are closed to everybody else, and the daemons are not root.
    root = Path(tempfile.mkdtemp(prefix="uamail-postfix-", dir=_room()))
    # A home made before in this process leaves a mask under which the daemons could not open their own queue.
    mask = os.umask(0o022)
    try:
        root.chmod(0o755)
        port = _free_port()
        _configure(root, port, changes)
        with (root / "master.out").open("wb") as out:
            command = [str(daemons / "master"), "-c", str(root / "etc"), "-d"]
            child = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        try:
            made = Postfix(root, port)
            _until_it_answers(made, child)
            yield made
        finally:
            _stop(child)
    finally:
        os.umask(mask)
        shutil.rmtree(root, ignore_errors=True)


def _room() -> str:
    """Memory where there is some: Postfix waits for the disk at every mail."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _configure(root: Path, port: int, changes: Mapping[str, str]) -> None:
    for name in ("etc", "queue", "data", "box"):
        (root / name).mkdir(mode=0o755)
    shutil.chown(root / "data", "postfix")
    os.chown(root / "box", 65534, 65534)
    (root / "domains").write_text(r"/\.example$/ here" + "\n")
    more = "".join(f"{key} = {value}\n" for key, value in changes.items())
    (root / "etc/main.cf").write_text(_MAIN.format(root=root) + more)
    (root / "etc/master.cf").write_text(_MASTER.format(port=port))
    # Makes the queue's directories.
    command = ["postfix", "-c", str(root / "etc"), "check"]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        number: int = one.getsockname()[1]
        return number


def _until_it_answers(made: Postfix, child: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection(("127.0.0.1", made.port), timeout=5) as one:
                if one.recv(100).startswith(b"220"):
                    return
        except OSError:
            pass
        if child.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"Postfix did not start: {(made.root / 'master.out').read_text()}\n{made.said()}")
        time.sleep(0.02)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """The master ends its daemons when it is terminated; whatever is left after five seconds is killed."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(5)
