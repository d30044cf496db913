"""The bounces queue: a token says "read what has come back"; every message is committed before it is marked."""

import threading
import time

import dramatiq
import structlog
from sqlalchemy.exc import DataError, DBAPIError

from uamail import db
from uamail.errors import UamailError
from uamail.mail.incoming import imap, maildir
from uamail.mail.incoming.maildir import Item
from uamail.pipeline import bounces
from workers.broker import installation, stopping, worker_name

_log = structlog.get_logger()
_lock = threading.Lock()


@dramatiq.actor(queue_name="bounces")
def read() -> None:
    """Read the Maildir and the IMAP folder of the settings; a second token finds the lock taken and ends.

    Several processes may read the same mailbox: the rows know what has been kept.
    """
    if not _lock.acquire(blocking=False):
        return
    try:
        for source in (_maildir, _imap):
            try:
                source()
            except (UamailError, DBAPIError) as error:
                # The next look tries again; nothing is lost, because nothing was marked.
                why = str(error) if isinstance(error, UamailError) else type(error).__name__
                _log.error("incoming mail not read", source=source.__name__.strip("_"), why=why)
    finally:
        _lock.release()


def _maildir() -> None:
    folder = installation().bounce_maildir
    if folder is not None:
        for item in maildir.unread(folder):
            if stopping.is_set():
                return
            _keep(item, "maildir")


def _imap() -> None:
    account = installation().bounce_account
    if account is not None:
        with imap.opened(account) as mailbox:
            for item in mailbox.unread():
                if stopping.is_set():
                    return
                _keep(item, "imap")


def _keep(item: Item, source: str) -> None:
    """Commit a message, then mark it; one that cannot be kept stays unread and stops no other."""
    inst = installation()
    one = bounces.arrived(item.data, source=source, keys=inst.keys)
    try:
        with inst.db.scope() as session:
            bounces.take(session, one, terms=inst.bounce_terms, now=db.now(session), actor=worker_name())
    except (UamailError, DataError) as error:
        _log.error("incoming message not kept", source=source, key=one.key, error=type(error).__name__)
        return
    item.done()


class Poll:
    """When this process last asked for a look."""

    def __init__(self) -> None:
        self._next = 0.0

    def send(self) -> None:
        """Send a token when it is time for one and there is something to read."""
        chosen = installation().settings.bounces
        if (chosen.maildir or chosen.imap.host) and time.monotonic() >= self._next:
            self._next = time.monotonic() + chosen.poll_seconds
            read.send()
