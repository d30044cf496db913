"""What all connections of a sink share: the rules, the counters and the box."""

import re
import ssl
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from uamail.mail.faults import Fault, Faults, Moment, Plan
from uamail.mail.reply import Stage
from uamail.mail.sink_box import Box

Login = Literal["any"] | tuple[str, str]

ANNOUNCED = re.compile(r"\bSIZE=([0-9]{1,20})", re.IGNORECASE)
SIZE = 10 << 20  # bytes, Postfix's message_size_limit
HISTORY = 10_000  # command lines remembered: enough for a test, no leak in a long run


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a real server says 421 for: too many connections at once, too many mails on one of them."""

    connections: int | None = None
    per_connection: int | None = None


class House:
    """One sink's terms. `login`: None offers no AUTH, "any" lets everybody in, a pair only that one."""

    def __init__(
        self,
        box: Box,
        plan: Plan,
        *,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None,
        login: Login | None,
        limits: Limits,
    ) -> None:
        self.box, self.tls, self.login, self.size, self.limits = box, tls, login, SIZE, limits
        self.body_bytes = self.connections = self.open = self.busiest = 0
        self.commands: deque[str] = deque(maxlen=HISTORY)
        self.logins: list[tuple[str, bool]] = []
        self.hits: Counter[str] = Counter()
        self._plan, self._clock = plan, clock
        # Without rules nobody asks who was here before: a long run must not remember every envelope.
        self._idle = type(plan) is Faults and not plan.rules
        self._visits: Counter[tuple[str, str]] = Counter()
        self._stages: Counter[tuple[str, str]] = Counter()
        self._admitted: deque[float] = deque()

    def note(self, command: str) -> None:
        """Remembers a command line (of AUTH only the mechanism)."""
        self.commands.append(command)

    def knock(self, name: str, password: str, *, secure: bool) -> bool:
        """Whether this login is right; remembers the name and whether it came over TLS."""
        self.logins.append((name, secure))
        return self.login in ("any", (name, password))

    def enter(self) -> int:
        """Counts a connection; returns its number."""
        self.connections += 1
        self.open += 1
        self.busiest = max(self.busiest, self.open)
        return self.connections

    def leave(self) -> None:
        """Counts a connection that has ended."""
        self.open -= 1

    def crowded(self) -> bool:
        """Whether there are more connections than allowed."""
        return self._over("connections", self.limits.connections, self.open)

    def worn(self, mails: int) -> bool:
        """Whether a connection has brought as many mails as one may."""
        return self._over("mails on a connection", self.limits.per_connection, mails + 1)

    def draw(self, stage: Stage, who: str, recipient: str = "") -> Fault | None:
        """The fault for this visit, which counts as a try."""
        if self._idle:
            return None
        domain = recipient.rpartition("@")[2].lower()
        nth, nth_there = self._stages[stage, ""], self._stages[stage, domain]
        moment = Moment(stage, who, self._visits[stage, who], nth, recipient, nth_there)
        self._visits[stage, who] += 1
        self._stages.update({(stage, ""), (stage, domain)})
        fault = self._plan.pick(moment)
        if fault is not None:
            self.hits[fault.name] += 1
        return fault

    def too_big(self, parameters: str) -> bool:
        """Whether MAIL announces more than is taken (RFC 1870)."""
        said = ANNOUNCED.search(parameters)
        return said is not None and int(said[1]) > self.size

    def admit(self) -> bool:
        """Whether one more MAIL keeps within the plan's rate, over a sliding second."""
        if self._plan.rate is None:
            return True
        now = self._clock()
        while self._admitted and self._admitted[0] <= now - 1:
            self._admitted.popleft()
        if self._over("mails a second", self._plan.rate, len(self._admitted) + 1):
            return False
        self._admitted.append(now)
        return True

    def _over(self, what: str, limit: float | None, count: int) -> bool:
        over = limit is not None and count > limit
        if over:
            self.hits[f"421 too many {what}"] += 1
        return over
