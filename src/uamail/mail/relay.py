"""A relay: the mail server that takes our letters on, and how we talk to it."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal

from uamail.errors import SettingError

Encryption = Literal["none", "starttls", "implicit"]

# RFC 5321 4.1.1.1: EHLO takes a domain or an address literal; one word, or it would carry parameters.
HELO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[0-9A-Fa-f.:]+\]|\[IPv6:[0-9A-Fa-f.:]+\]")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds (RFC 5321 4.5.3.2; each is the total for one reply).

    `connect`: the connection, its TLS handshake and the greeting, each. `command`: any other command. `data`: the 354.
    `dot`: from the first byte of the content to the final reply; shorter than 600 turns late replies into duplicates.
    `transaction`: from MAIL to the final reply. `idle`: how long an unused connection is kept. `quit`: the goodbye.
    `age`: how long a connection is used at all, so that a relay that moved is found again.
    """

    connect: float = 30
    command: float = 300
    data: float = 120
    dot: float = 600
    transaction: float = 1320  # 300 + 300 + 120 + 600: never cuts a wait that the standard asks for
    idle: float = 30
    age: float = 300  # as Postfix has it: smtp_connection_reuse_time_limit
    quit: float = 2


@dataclass(frozen=True, kw_only=True)
class Relay:
    """One relay and the terms on which it is used. Raises SettingError for terms that would be unsafe.

    `helo` is the name we give in EHLO: never the machine's own. `ca_file` (PEM) replaces the system's authorities.
    """

    name: str
    host: str
    port: int
    helo: str
    tls: Encryption = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    max_connections: int = 4
    messages_per_connection: int = 1000
    timeouts: Timeouts = Timeouts()
    ca_file: str | None = None

    def __post_init__(self) -> None:
        self._check("tls", self.tls, self.tls in ("none", "starttls", "implicit"), "none, starttls or implicit")
        self._check("port", self.port, 0 < self.port < 65536, "a number from 1 to 65535")
        self._check("helo", self.helo, HELO.fullmatch(self.helo) is not None, "a domain name or an address literal")
        self._check("max_connections", self.max_connections, self.max_connections > 0, "at least 1")
        self._check("messages_per_connection", self.messages_per_connection, self.messages_per_connection > 0, "≥ 1")
        complete = (self.username is None) == (self.password is None)
        self._check("password", "…", complete, "give a username and a password, or neither")
        sheltered = self.username is None or self.tls != "none" or self.loopback
        self._check("tls", self.tls, sheltered, "a password would travel in clear: use starttls or implicit")

    def _check(self, key: str, value: object, holds: bool, remedy: str) -> None:
        if not holds:
            raise SettingError(f"relay {self.name}: {key}", value, remedy)

    @property
    def loopback(self) -> bool:
        """Whether nothing sent to it leaves this machine: 127.0.0.0/8, ::1 or the name localhost (RFC 6761 6.3)."""
        if self.host.rstrip(".").lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
