"""A witness (C2SP tlog-witness): cosigns a checkpoint only when it goes on from the last one that it has cosigned."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.errors import LedgerError
from uamail.ledger.checkpoint import Checkpoint, origin_of
from uamail.ledger.cosignature import cosign
from uamail.ledger.keys import LogKeys
from uamail.ledger.note import decode, split
from uamail.ledger.tree import EMPTY_ROOT, verify_consistency

SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_MOST_HASHES = 63


@dataclass(frozen=True)
class Answer:
    """What the witness answers (HTTP status and body), and the checkpoint that it must remember before it does."""

    status: int
    body: str = ""
    type: str = "text/plain; charset=utf-8"
    cosigned: Checkpoint | None = None


def request(old: int, proof: tuple[bytes, ...], note: str) -> str:
    """The body of a call of add-checkpoint."""
    return "\n".join([f"old {old}", *(base64.b64encode(one).decode() for one in proof), "", note])


def answer(
    text: str,
    *,
    logs: Mapping[str, LogKeys],
    last: Mapping[str, Checkpoint],
    key: Ed25519PrivateKey,
    name: str,
    at: int,
) -> Answer:
    """The answer to a call of add-checkpoint; `logs` are the keys of known logs, `last` what was cosigned of each.

    400 malformed, 404 an unknown log, 403 not signed by a key of it, 409 not from where we stand (the body says where)
    or another log of the same size, 422 not consistent.
    """
    head, separator, note = text.partition("\n\n")
    try:
        old, proof = parsed(head)
        split(note)
    except LedgerError as error:
        return Answer(400, f"{error}\n")
    origin = origin_of(note)
    if not separator or origin not in logs:
        return Answer(404, "this log is not known here\n")
    try:
        new = logs[origin].open(note)
    except LedgerError as error:
        return Answer(403, f"{error}\n")
    problem = _problem(old, proof, new, last.get(origin, Checkpoint(origin, 0, EMPTY_ROOT)))
    return problem or Answer(200, cosign(new.body(), key, name=name, at=at), cosigned=new)


def _problem(old: int, proof: tuple[bytes, ...], new: Checkpoint, last: Checkpoint) -> Answer | None:
    if old > new.size:
        return Answer(400, "the old size is larger than the checkpoint's\n")
    if old != last.size:
        return Answer(409, f"{last.size}\n", SIZE_TYPE)
    if old == new.size and last.root != new.root:
        # The log has signed two histories: this answer is the alarm.
        return Answer(409, f"{last.size}\n", SIZE_TYPE)
    if not verify_consistency(old, new.size, last.root, new.root, proof):
        return Answer(422, "the checkpoint is not consistent with the last one that was cosigned\n")
    return None


def parsed(head: str) -> tuple[int, tuple[bytes, ...]]:
    """The old size and the proof of a call. Raises LedgerError when they are malformed."""
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    proof = tuple(decode(line) for line in lines)
    if old is None or len(proof) > _MOST_HASHES or any(len(one) != 32 for one in proof):
        raise LedgerError("the call is malformed: old size, hashes, an empty line and a checkpoint are expected")
    return int(old[1]), proof
