"""Spooling: the door to the fax spool, which takes letters as the transport does. No database session is open."""

import asyncio

from uamail.errors import OutsideError, RelayError
from uamail.fax.spool import Spool
from uamail.mail.envelope import Outgoing
from uamail.mail.transport import Feed, Intent, Keep, Kind, Outcome
from uamail.pipeline.faxing import SPOOL, spooled_number
from uamail.printing import facsimile


async def run(feed: Feed, *, spool: Spool, intent: Intent, keep: Keep) -> RelayError | None:
    """Hand over what the feed gives, one job at a time, until no more will come.

    Every letter that was taken has its outcome kept exactly once. Returns the error when the spool cannot be written:
    let it rest.
    """
    while True:
        message = feed.take()
        if message is None:
            if not await feed.wait():
                return None
            continue
        told, error = await _handed_over(message, spool, intent)
        await keep(told)
        if error is not None:
            return RelayError(SPOOL, "body", str(error))


async def _handed_over(message: Outgoing, spool: Spool, intent: Intent) -> tuple[Outcome, Exception | None]:
    """The outcome, and what went wrong with the spool."""
    number = spooled_number(message.envelope.recipient)
    handed = False
    try:
        pages = facsimile.pages(message.data)
        with spool.job(message.key, number=number, tiff=message.data, pages=pages) as draft:
            await intent.begin(message.key)
            # From here on the fax server may find it at any moment.
            handed = True
            await asyncio.to_thread(spool.appear, draft, message.key)
    except (OSError, OutsideError) as error:
        # It is a job as soon as it has its name, whatever went wrong after that.
        kind: Kind = "uncertain" if handed and spool.job_file(message.key).exists() else "unsent"
        return _outcome(message, kind, "the spool cannot be written"), error
    except Exception as error:  # the marker was not written: nothing is handed over, and the feed will know why
        return _outcome(message, "unsent", f"the marker was not written ({type(error).__name__})"), None
    return _outcome(message, "accepted"), None


def _outcome(message: Outgoing, kind: Kind, error: str | None = None) -> Outcome:
    return Outcome(key=message.key, kind=kind, stage="body", reply=None, tls=None, relay=SPOOL, error=error)
