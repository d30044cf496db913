"""Proofs as text (C2SP tlog-proof): where an entry stands in the log, its path to the root, and the checkpoint."""

import base64
import re
from dataclasses import dataclass

from uamail.errors import LedgerError
from uamail.ledger.note import decode
from uamail.ledger.tree import HASH_BYTES

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MOST_HASHES = 63  # a tree of 2^63 leaves


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Entry `index` (from 0), its inclusion path (32-byte hashes), the signed checkpoint as text, and extra data."""

    index: int
    path: tuple[bytes, ...]
    note: str
    extra: bytes = b""

    def text(self) -> str:
        """The file; by custom its name ends in .tlog-proof."""
        lines = [_HEADER]
        if self.extra:
            lines.append(f"extra {_encoded(self.extra)}")
        lines += [f"index {self.index}", *map(_encoded, self.path), ""]
        return "\n".join(lines) + "\n" + self.note


def parse(text: str) -> Proof:
    """The proof in a file, nothing of it checked yet. Raises LedgerError when it is malformed."""
    head, separator, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _HEADER or not separator:
        raise LedgerError("this is not a proof: its first line or its checkpoint is missing")
    extra = decode(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else b""
    index = _INDEX.fullmatch(lines[0]) if lines else None
    path = tuple(decode(line) for line in lines[1:])
    if index is None or len(path) > _MOST_HASHES or any(len(one) != HASH_BYTES for one in path):
        raise LedgerError("the proof is malformed: an index and hashes of 32 bytes are expected")
    return Proof(index=int(index[1]), path=path, note=note, extra=extra)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
