#!/usr/bin/env python3
"""Check a receipt or an exported record of uamail, offline. One file, Python 3.10 or newer, nothing to install.

    python3 verify_receipt.py RECEIPT --key KEY [--letter FILE] [--witness LINE]
    python3 verify_receipt.py record.jsonl --checkpoint checkpoint.txt --key KEY [--sample 100 --seed 7]

KEY is the verifier line of the log (or a file that holds it), which you have from the house over a channel that you
trust. Formats: C2SP tlog-proof, tlog-checkpoint, signed-note, tlog-cosignature; RFC 9162 (tree), RFC 8032 (Ed25519).
Exit code 0: it holds. 1: it does not, and the words say where. 2: wrong use. 5: it could not be checked.
"""

import argparse
import base64
import hashlib
import json
import random
import re
import sys
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Point = tuple[int, int, int, int]
Verifier = tuple[str, bytes, bytes]

DICTIONARY = (
    b'{"action":"batch":"code":250,"commit":"*","delivery:posted","enhanced":"2.0.0","from":"batched","n":'
    b'"relay":"main","set":"delivery:{"actor":"mail@","at":"2026-01-01T00:00:00.000000Z","attempt":1,"code":250,'
    b'"commit":"*","delivery":,"enhanced":"2.0.0","from":"claimed","relay":"main","stage":"body",'
    b'"tls":"TLSv1.3 TLS_AES_256_GCM_SHA384","type":"delivery:accepted","v":1}'
)
MOST_BYTES = 1 << 20


class Broken(Exception):
    """Something does not hold; its words say what."""


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


# --- Ed25519 (RFC 8032 5.1), verification only: nothing here is secret, so nothing has to take constant time

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P


def recover_x(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point(encoded: bytes) -> Point | None:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover_x(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(factor: int, p: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    for bit in bin(factor)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, p)
    return result


BASE_X = recover_x(BASE_Y, 0) or 0
BASE: Point = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def signed_by(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this Ed25519 key (32 bytes) made this signature (64 bytes)."""
    a, s = point(key), int.from_bytes(signature[32:], "little")
    if a is None or len(signature) != 64 or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    x, y, z, _ = add(multiply(s, BASE), multiply(h, (P - a[0], a[1], 1, P - a[3])))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


# --- text: base64, verifier lines, signed notes, checkpoints


def decode(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Broken("a base64 field cannot be read") from error
    if base64.b64encode(value).decode() != text:
        raise Broken("a base64 field is not in its canonical spelling")
    return value


def read_verifier(line: str, algorithm: int) -> Verifier:
    """Name, key id and key of a verifier line ("name+id+key"); algorithm 1 signs the log, 4 is a witness."""
    name, _, rest = line.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    key = decode(encoded)
    key_id = sha256(name.encode(), b"\n", key)[:4]
    if not re.fullmatch(r"[^\s+]+", name) or len(key) != 33 or key[0] != algorithm or stated != key_id.hex():
        raise Broken("the verifier line is malformed: was it copied whole?")
    return name, key_id, key[1:]


def read_keys(text: str) -> list[tuple[Verifier, int | None]]:
    """The log's keys, one on each line; "until SIZE" stands behind a key that was retired."""
    found = []
    for one in text.strip().splitlines():
        line, _, until = one.partition(" until ")
        if not (until or "0").isdecimal():
            raise Broken("the verifier line is malformed: was it copied whole?")
        found.append((read_verifier(line, 1), int(until) if until else None))
    if not found:
        raise Broken("the verifier line is malformed: was it copied whole?")
    return found


def read_note(note: str) -> tuple[str, list[Verifier]]:
    """The text of a signed note, and (name, key id, signature) of each of its lines."""
    text, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not separator or lines.pop() or not 0 < len(lines) <= 100 or re.search(r"[\x00-\x09\x0b-\x1f]", note):
        raise Broken("this is not a signed note")
    found = []
    for line in lines:
        match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", line)
        if not match:
            raise Broken("a signature line of the note is malformed")
        blob = decode(match[2])
        found.append((match[1], blob[:4], blob[4:]))
    return text + "\n", found


def read_checkpoint(note: str, keys: str) -> tuple[str, int, bytes]:
    """Name of the log, and size and root that one of its keys signed."""
    known = read_keys(keys)
    text, signatures = read_note(note)
    made = {(signer, id_): blob for signer, id_, blob in reversed(signatures)}
    own = [(one, until) for one, until in known if one[:2] in made]
    if not own:
        raise Broken(f"the note is not signed by {known[0][0][0]} with the key {known[0][0][1].hex()}")
    (name, key_id, key), until = own[0]
    if not signed_by(key, made[name, key_id], text.encode()):
        raise Broken("the signature of the note does not hold: its text was changed")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines) or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise Broken("the signed note is not a checkpoint")
    root = decode(lines[2])
    if len(root) != 32:
        raise Broken("the signed note is not a checkpoint")
    if lines[0] != name:
        raise Broken("the checkpoint is of another log")
    if until is not None and int(lines[1]) > until:
        raise Broken(f"the note is signed with a key that was retired at {until} entries")
    return name, int(lines[1]), root


def cosigned_at(note: str, witness: Verifier) -> int | None:
    """When a witness cosigned the checkpoint (seconds since 1970); None when it did not."""
    text, signatures = read_note(note)
    for name, key_id, blob in signatures:
        if (name, key_id) == witness[:2]:
            at = int.from_bytes(blob[:8], "big")
            good = signed_by(witness[2], blob[8:], f"cosignature/v1\ntime {at}\n{text}".encode())
            return at if good else None
    return None


# --- the tree (RFC 9162 2.1)


def included(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether a leaf hash stands at this place of the tree of that size and root."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            leaf = sha256(b"\1", sibling, leaf)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            leaf = sha256(b"\1", leaf, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and leaf == root


# --- a receipt


def read_proof(text: str) -> tuple[bytes, int, list[bytes], str]:
    """Extra data, index, path and checkpoint of a proof."""
    head, separator, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1" or not separator:
        raise Broken("this is not a proof: its first line or its checkpoint is missing")
    extra = decode(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else b""
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[0]) if lines else None
    path = [decode(line) for line in lines[1:]]
    if not index or len(path) > 63 or any(len(one) != 32 for one in path):
        raise Broken("the proof is malformed: an index and hashes of 32 bytes are expected")
    return extra, int(index[1]), path, note


def read_entry(extra: bytes) -> tuple[bytes, tuple[bytes, str] | None, str | None]:
    """Entry, opening (salt, hash) and member list that a receipt brings along."""
    opening, packed = None, extra[1:]
    if extra[:1] == b"\2" and len(extra) > 65:
        opening, packed = (extra[1:33], extra[33:65].hex()), extra[65:]
    elif extra[:1] != b"\1":
        raise Broken("this proof is not a receipt: it brings no entry")
    unpacker = zlib.decompressobj(-15, zdict=DICTIONARY)
    try:
        told = unpacker.decompress(packed, MOST_BYTES)
    except zlib.error as error:
        raise Broken("the entry of the receipt is damaged") from error
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise Broken("the entry of the receipt is damaged")
    entry, separator, members = told.partition(b"\n")
    if opening:
        entry = entry.replace(b'"commit":"*"', b'"commit":"%b"' % commitment(*opening).encode())
    try:
        listed = members.decode("ascii") if separator else None
    except UnicodeDecodeError as error:
        raise Broken("the member list of the receipt is damaged") from error
    return entry, opening, listed


def commitment(salt: bytes, digest: str) -> str:
    return hashlib.sha256(salt + b'{"sha256":"%b"}' % digest.encode()).hexdigest()


def check_receipt(text: str, key: str, witnesses: Sequence[str] = (), letter: bytes | None = None) -> dict[str, Any]:
    """Everything that a receipt proves, as `uamail receipt verify` says it; `ok` is False when it does not hold."""
    facts = ("seq", "size", "origin", "root", "entry", "sha256", "letter", "members", "witnesses")
    result: dict[str, Any] = {"ok": False, "problem": None, **dict.fromkeys(facts)}
    try:
        extra, index, path, note = read_proof(text)
        entry, opening, members = read_entry(extra)
        name, size, root = read_checkpoint(note, key)
        if not included(sha256(b"\0", entry), index, size, path, root):
            raise Broken("the entry is not in the log that the checkpoint signs")
        data = json.loads(entry)
        if opening and data.get("commit") != commitment(*opening):
            raise Broken("the opening does not fit the entry's commitment")
        if members is not None and data.get("set") != hashlib.sha256(members.encode()).hexdigest():
            raise Broken("the member list is not the one that the entry commits to")
        if letter is not None and not opening:
            raise Broken("the receipt has no opening that a letter could be compared with")
        if letter is not None and opening and hashlib.sha256(letter).hexdigest() != opening[1]:
            raise Broken("the letter is not the one that the entry commits to")
        seen = {one[0]: cosigned_at(note, one) for one in (read_verifier(line, 4) for line in witnesses)}
    except Broken as error:
        return {**result, "problem": str(error)}
    digest, matches = opening[1] if opening else None, None if letter is None else True
    known = {name: at for name, at in seen.items() if at is not None}
    told = (index, size, name, root.hex(), data, digest, matches, members, known)
    return {"ok": True, "problem": None, **dict(zip(facts, told, strict=True))}


# --- an exported record


def check_record(lines: Iterable[str], note: str, key: str, sample: int = 0, seed: str = "") -> dict[str, Any]:
    """Check a record in JSON lines: every line against the root, or a sample by the proofs that the lines bring."""
    result: dict[str, Any] = {"ok": False, "problem": None, "size": None, "root": None, "lines": 0, "checked": 0}
    try:
        _, size, root = read_checkpoint(note, key)
        result.update(size=size, root=root.hex())
        counts = sampled(lines, size, root, sample, seed) if sample else rebuilt(lines, size, root)
        result["lines"], result["checked"] = counts
    except Broken as error:
        return {**result, "problem": str(error)}
    return {**result, "ok": True}


def leaf_of(line: str) -> tuple[int, bytes, list[str] | None]:
    """Place, leaf hash and proof of a line; a line whose words are all there must fit its hash."""
    try:
        entry = json.loads(line)
        seq, leaf, proof = entry.pop("seq"), bytes.fromhex(entry.pop("leaf")), entry.pop("proof", None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken(f"a line of the record cannot be read: {line[:60]!r}") from error
    members = entry.pop("members", None)
    if members is not None and hashlib.sha256(members.encode()).hexdigest() != entry.get("set"):
        raise Broken(f"entry {seq}: its member list is not the one it commits to")
    if "redacted" not in entry:
        text = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        if sha256(b"\0", text.encode()) != leaf:
            raise Broken(f"entry {seq} was changed: its words do not match its hash")
    return seq, leaf, proof


def rebuilt(lines: Iterable[str], size: int, root: bytes) -> tuple[int, int]:
    """The root over the first `size` lines, which must be all there, in order."""
    stack: list[bytes] = []
    n = 0
    for line in lines:
        seq, leaf, _ = leaf_of(line)
        if seq != n:
            raise Broken(f"entry {n} is missing")
        if n < size:
            place = n
            while place & 1:
                leaf, place = sha256(b"\1", stack.pop(), leaf), place >> 1
            stack.append(leaf)
        n += 1
    if n < size:
        raise Broken(f"the record ends after {n} entries, the checkpoint signs {size}")
    made = stack.pop() if stack else sha256(b"")
    while stack:
        made = sha256(b"\1", stack.pop(), made)
    if made != root:
        raise Broken(f"the first {size} entries are not those that the checkpoint signs")
    return n, size


def sampled(lines: Iterable[str], size: int, root: bytes, sample: int, seed: str) -> tuple[int, int]:
    """Lines drawn by the seed, each proved by itself; a line beyond the checkpoint has no proof yet."""
    draw, n = random.Random(seed), 0
    kept: list[str] = []
    for line in lines:
        n += 1
        if len(kept) < sample:
            kept.append(line)
        elif (place := draw.randrange(n)) < sample:
            kept[place] = line
    checked = 0
    for line in kept:
        seq, leaf, proof = leaf_of(line)
        if seq >= size:
            continue
        if proof is None:
            raise Broken("the record has no proofs: export it with --proofs")
        if not included(leaf, seq, size, [decode(one) for one in proof], root):
            raise Broken(f"entry {seq} is not in the log that the checkpoint signs")
        checked += 1
    return n, checked


# --- the command


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, help="a receipt, or a record in JSON lines")
    parser.add_argument("--key", required=True, help="the log's verifier line, or a file with its lines")
    parser.add_argument("--letter", type=Path, help="the mail as it was sent")
    parser.add_argument("--witness", action="append", default=[], help="the verifier line of a witness; repeatable")
    parser.add_argument("--checkpoint", type=Path, help="what the record is checked against")
    parser.add_argument("--sample", type=int, default=0, help="check so many lines, by their own proofs")
    parser.add_argument("--seed", default="", help="which lines")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    try:
        result = run(options)
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot check: {error}", file=sys.stderr)
        return 5
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print(words(result))
    return 0 if result["ok"] else 1


def run(options: argparse.Namespace) -> dict[str, Any]:
    key = Path(options.key).read_text("utf-8") if Path(options.key).is_file() else options.key
    if options.checkpoint:
        with options.file.open(encoding="utf-8", newline="\n") as lines:
            note = options.checkpoint.read_bytes().decode("utf-8")
            return check_record(lines, note, key, options.sample, options.seed)
    letter = options.letter.read_bytes() if options.letter else None
    return check_receipt(options.file.read_bytes().decode("utf-8"), key, options.witness, letter)


def words(result: dict[str, Any]) -> str:
    if not result["ok"]:
        return f"DOES NOT HOLD: {result['problem']}"
    if "checked" in result:
        return f"holds: {result['checked']} of {result['lines']} entries checked against checkpoint {result['size']}"
    entry = result["entry"]
    lines = [f"holds: entry {result['seq']} of {result['size']} in {result['origin']}"]
    lines += [f"  {name}: {value}" for name, value in entry.items()]
    if result["sha256"]:
        lines.append(f"  the mail's SHA-256: {result['sha256']}{' (yours matches)' if result['letter'] else ''}")
    if result["members"]:
        lines.append(f"  covers {result['members']}")
    lines += [f"  witnessed by {name} at {at} (seconds since 1970)" for name, at in result["witnesses"].items()]
    return "\n".join(lines if result["witnesses"] else [*lines, "  unwitnessed"])


if __name__ == "__main__":
    sys.exit(main())
