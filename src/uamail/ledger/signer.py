"""Signing checkpoints: only what goes on from the last one that was signed, in this house or by a process beside it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from uamail.errors import LedgerError, OutsideError
from uamail.ledger import guard, outside
from uamail.ledger.checkpoint import Checkpoint, from_body
from uamail.ledger.keys import LogKeys
from uamail.ledger.tree import verify_consistency
from uamail.ledger.witness import SIZE_TYPE, Answer, parsed, request

# The proof that the log goes on from that many entries to the checkpoint that is to be signed.
Prove: TypeAlias = Callable[[int], tuple[bytes, ...]]
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n?")


class Signer(Protocol):
    """Who signs checkpoints, and remembers the last one."""

    def sign(self, new: Checkpoint, prove: Prove, *, last: int) -> str:
        """The signed note; `last` is the size of the last one that is known here.

        Raises LedgerError for a checkpoint that does not go on from the signer's last one.
        """
        ...


class HouseSigner:
    """Signs with the keys of the home, which are read anew each time; the last checkpoint is the one kept outside."""

    def __init__(self, directory: Path, name: str, guards: Sequence[Path]) -> None:
        self._directory, self._name, self._guards = directory, name, guards

    def sign(self, new: Checkpoint, prove: Prove, *, last: int) -> str:  # noqa: ARG002
        keys = LogKeys.load(self._directory, self._name)
        for kept in guard.kept(self._guards, keys):
            refuse_inconsistent(kept, new, prove(kept.size) if kept.size <= new.size else ())
        return keys.sign(new)


class OutsideSigner:
    """Asks a process of another account, over a Unix socket: whoever has the workers and the database has no key."""

    def __init__(self, url: str) -> None:
        self._url = url

    def sign(self, new: Checkpoint, prove: Prove, *, last: int) -> str:
        """Raises OutsideError when it does not answer."""
        reply = self._asked(new, prove, last)
        known = _SIZE.fullmatch(reply.body.decode("ascii", "replace"))
        if reply.status == 409 and known:
            if int(known[1]) > new.size:
                raise LedgerError(f"the signer has signed {known[1]} entries, the log has {new.size}")
            reply = self._asked(new, prove, int(known[1]))
        if reply.status in (409, 422):
            raise LedgerError("the signer has signed another history of this log: nothing is signed")
        if reply.status != 200:
            raise OutsideError(f"{self._url} answered {reply.status}: {reply.body.decode('utf-8', 'replace').strip()}")
        return reply.body.decode("utf-8")

    def _asked(self, new: Checkpoint, prove: Prove, last: int) -> outside.Reply:
        body = request(last, prove(last) if last else (), new.body())
        return outside.post(self._url, body.encode(), content_type="text/plain")


def answer(text: str, *, keys: LogKeys, last: Checkpoint | None) -> Answer:
    """The answer of a signer process to what an `OutsideSigner` asks; `last` is what it signed last.

    400 malformed, 404 another log, 409 not from where we stand (the body says where), 422 not consistent.
    """
    head, _, body = text.partition("\n\n")
    try:
        old, proof = parsed(head)
        new = from_body(body)
    except LedgerError as error:
        return Answer(400, f"{error}\n")
    if new.origin != keys.name:
        return Answer(404, "this log is not known here\n")
    if old != (last.size if last else 0):
        return Answer(409, f"{last.size if last else 0}\n", SIZE_TYPE)
    try:
        if last is not None:
            refuse_inconsistent(last, new, proof)
    except LedgerError as error:
        return Answer(422, f"{error}\n")
    return Answer(200, keys.sign(new), cosigned=new)


def refuse_inconsistent(last: Checkpoint, new: Checkpoint, proof: tuple[bytes, ...]) -> None:
    """Raises LedgerError unless the new checkpoint is of the same log, gone on."""
    if last.size > new.size:
        raise LedgerError(f"checkpoint {last.size} was signed already, the log has {new.size} entries", new.size)
    if not verify_consistency(last.size, new.size, last.root, new.root, proof):
        raise LedgerError(f"the log is not what checkpoint {last.size} signs: nothing is added or signed")
