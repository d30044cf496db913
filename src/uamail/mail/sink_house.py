"""What all connections of a sink share: the rules, the counters and the box."""

import re
import ssl
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal

from uamail.mail.faults import Fault, Moment, Plan
from uamail.mail.reply import Stage
from uamail.mail.sink_box import Box

Login = Literal["any"] | tuple[str, str]

ANNOUNCED = re.compile(r"\bSIZE=([0-9]{1,20})", re.IGNORECASE)
SIZE = 10 << 20  # bytes, Postfix's message_size_limit
HISTORY = 10_000  # command lines remembered: enough for a test, no leak in a long run


class House:
    """One sink's terms. `login`: None offers no AUTH, "any" lets everybody in, a pair only that one."""

    def __init__(
        self, box: Box, plan: Plan, *, clock: Callable[[], float], tls: ssl.SSLContext | None, login: Login | None
    ) -> None:
        self.box, self.tls, self.login, self.size = box, tls, login, SIZE
        self.body_bytes = 0
        self.commands: deque[str] = deque(maxlen=HISTORY)
        self.logins: list[tuple[str, bool]] = []
        self._plan, self._clock = plan, clock
        self._visits: Counter[tuple[str, str]] = Counter()
        self._stages: Counter[str] = Counter()
        self._admitted: deque[float] = deque()

    def note(self, command: str) -> None:
        """Remembers a command line (of AUTH only the mechanism)."""
        self.commands.append(command)

    def knock(self, name: str, password: str, *, secure: bool) -> bool:
        """Whether this login is right; remembers the name and whether it came over TLS."""
        self.logins.append((name, secure))
        return self.login in ("any", (name, password))

    def draw(self, stage: Stage, who: str) -> Fault | None:
        """The fault for this visit, which counts as a try."""
        moment = Moment(stage, who, self._visits[stage, who], self._stages[stage])
        self._visits[stage, who] += 1
        self._stages[stage] += 1
        return self._plan.pick(moment)

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
        if len(self._admitted) >= self._plan.rate:
            return False
        self._admitted.append(now)
        return True
