"""A folder on an IMAP server as a source: unseen messages, marked or moved when they are kept (RFC 3501, RFC 6851)."""

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from uamail.errors import OutsideError
from uamail.mail.incoming.maildir import Item
from uamail.mail.incoming.message import MAX_BYTES

SECONDS = 60.0  # for every answer; a folder of bounces has nothing that takes longer
# Printable ASCII: other names need the coding of RFC 3501 5.1.3, which the person who sets them can write.
_FOLDER = re.compile(r"[ -~]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where a mailbox is, over TLS from the first byte. Messages go to `done_folder`, or are marked as seen."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str
    done_folder: str = ""
    ca_file: str | None = None


@contextmanager
def opened(account: Account) -> Iterator["Mailbox"]:
    """A logged-in mailbox with its folder selected. Raises OutsideError, without the password, when that fails."""
    context = ssl.create_default_context(cafile=account.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with _explained(account):
        client = imaplib.IMAP4_SSL(account.host, account.port, ssl_context=context, timeout=SECONDS)
    try:
        with _explained(account):
            client.login(account.username, account.password)
            _ok(client.select(quoted(account.folder)))
        yield Mailbox(client, account)
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            client.logout()


class Mailbox:
    """The selected folder."""

    def __init__(self, client: imaplib.IMAP4_SSL, account: Account) -> None:
        self._client, self._account = client, account

    def unread(self) -> Iterator[Item]:
        """The unseen messages, oldest first, read up to the size that is looked at. Raises OutsideError."""
        with _explained(self._account):
            [found, *_] = _ok(self._client.uid("SEARCH", "UNSEEN"))
            uids = [one.decode("ascii") for one in (found or b"").split() if one.isdigit()]
        for uid in uids:
            with _explained(self._account):
                data = self._fetch(uid)
            if data is not None:
                yield Item(data, lambda uid=uid: self._done(uid))  # type: ignore[misc]

    def _fetch(self, uid: str) -> bytes | None:
        """PEEK: a message that we fail to keep must stay unseen. None when it has gone meanwhile."""
        for part in _ok(self._client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES}>)")):
            if isinstance(part, tuple):
                return bytes(part[1])
        return None

    def _done(self, uid: str) -> None:
        with _explained(self._account):
            if not self._account.done_folder:
                _ok(self._client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)"))
            elif "MOVE" in self._client.capabilities:
                _ok(self._client.uid("MOVE", uid, quoted(self._account.done_folder)))
            else:
                _ok(self._client.uid("COPY", uid, quoted(self._account.done_folder)))
                # Not expunged: that would take along what others have marked.
                _ok(self._client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen \Deleted)"))


def quoted(folder: str) -> str:
    """A folder's name as a quoted string, which imaplib leaves to its caller. Raises OutsideError for odd ones."""
    if not _FOLDER.fullmatch(folder):
        raise OutsideError(f"the IMAP folder {folder!r} must be printable ASCII (RFC 3501 5.1.3 for other letters)")
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ok(answer: tuple[str, Any]) -> list[Any]:
    word, data = answer
    if word != "OK":
        raise imaplib.IMAP4.error("the server said no")
    return list(data)


@contextmanager
def _explained(account: Account) -> Iterator[None]:
    """Errors as an operator reads them: the server's own words may quote addresses, and are left out."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise OutsideError(f"IMAP {account.host}: its certificate is not accepted: {error.verify_message}") from error
    except imaplib.IMAP4.error as error:
        raise OutsideError(f"IMAP {account.host}: it refused the login, the folder or a command") from error
    except OSError as error:
        raise OutsideError(f"IMAP {account.host}: {error.strerror or type(error).__name__}") from error
