"""The fax spool's results: every process looks for them, and the rows know what has been taken in."""

import time

import structlog
from sqlalchemy.exc import DBAPIError

from uamail import db
from uamail.errors import UamailError
from uamail.pipeline import faxresults
from workers.broker import installation, worker_name

_log = structlog.get_logger()


class Collector:
    """When this process last looked into the spool, and what it has complained of."""

    def __init__(self) -> None:
        self._next = 0.0
        self._told: frozenset[tuple[str, str]] = frozenset()

    def tick(self) -> None:
        """Take results in when it is time and there is a spool."""
        inst = installation()
        if inst.spool is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + inst.settings.fax.poll_seconds
        try:
            found = faxresults.collect(
                inst.spool,
                scope=inst.db.scope,
                clock=db.now,
                rules=inst.fax_rules,
                actor=worker_name(),
                file_time=time.time(),
            )
        except (UamailError, DBAPIError) as error:
            why = str(error) if isinstance(error, UamailError) else type(error).__name__
            _log.error("fax results not read", why=why)
            return
        # Once each: the file stays where it is until a person has looked.
        for file, why in set(found.problems) - self._told:
            _log.warning("a fax result does nothing", file=file, why=why)
        self._told = frozenset(found.problems)
