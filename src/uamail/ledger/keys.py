"""The keys of a log: those that sign, those that signed once, and up to which entry each of them is believed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Never, SupportsIndex

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from uamail.errors import LedgerError, SettingError
from uamail.ledger.checkpoint import Checkpoint, open_note
from uamail.ledger.note import read_verifier, signature_line, verifier_line
from uamail.vault import Key, key_files, read_key, write_key

# The first key has no number, so that a home with one key looks as simple as it is.
_SECRET = re.compile(r"log(?:-([2-9]|[1-9][0-9]{1,3}))?\.key")
_PUBLIC = re.compile(r"log(?:-([2-9]|[1-9][0-9]{1,3}))?\.pub")


@dataclass(frozen=True)
class LogKey:
    """A public key of the log. `until`: it is believed of checkpoints of that many entries at most; None: of all."""

    number: int
    public_key: Ed25519PublicKey
    until: int | None = None


@dataclass(frozen=True, repr=False)
class LogKeys:
    """All keys of one log, the newest first; `secrets` are those that sign from here, by their numbers."""

    name: str
    known: tuple[LogKey, ...]
    secrets: Mapping[int, Ed25519PrivateKey]

    @classmethod
    def load(cls, directory: Path, name: str) -> "LogKeys":
        """The keys of a directory. Raises SettingError when there is none, or one is damaged or readable by others."""
        secrets = {number: _secret(path) for number, path in key_files(directory, _SECRET).items()}
        known = {number: LogKey(number, key.public_key()) for number, key in secrets.items()}
        known.update({number: _public(path, number, name) for number, path in key_files(directory, _PUBLIC).items()})
        if not known:
            raise SettingError("keys", str(directory), "has no log.key: restore it from the backup of the keys")
        return cls(name, tuple(known[number] for number in sorted(known, reverse=True)), secrets)

    @classmethod
    def of(cls, lines: Sequence[str]) -> "LogKeys":
        """The keys that an auditor holds, as verifier lines of one log. Raises LedgerError when they are not."""
        names = {line.partition("+")[0] for line in lines}
        if len(names) != 1:
            raise LedgerError("the verifier lines are not all of one log")
        [name] = names
        known = [_read(line, name, len(lines) - place) for place, line in enumerate(lines)]
        return cls(name, tuple(known), {})

    @property
    def in_use(self) -> tuple[LogKey, ...]:
        return tuple(one for one in self.known if one.until is None)

    def line(self, key: LogKey) -> str:
        """Its verifier line; of a retired key with " until SIZE" behind it."""
        line = verifier_line(self.name, key.public_key)
        return line if key.until is None else f"{line} until {key.until}"

    def text(self) -> str:
        """What an auditor keeps: a line for each key, the newest first."""
        return "".join(f"{self.line(one)}\n" for one in self.known)

    def open(self, note: str) -> Checkpoint:
        """The checkpoint that one of the keys signed while it was in use; raises LedgerError when none did."""
        problem: LedgerError | None = None
        for key in self.known:
            try:
                found = open_note(note, name=self.name, public_key=key.public_key)
            except LedgerError as error:
                problem = problem or error
                continue
            if key.until is None or found.size <= key.until:
                return found
            problem = LedgerError(f"it is signed with a key that was retired at {key.until} entries")
        raise problem or LedgerError("the log has no keys")

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a note, with a line of every key that signs. Raises SettingError when none is here."""
        if not self.secrets:
            raise SettingError("audit.signer", "", "no log.key lies in this home: name the signer that has it")
        body = checkpoint.body()
        lines = [signature_line(body, self.secrets[one], name=self.name) for one in sorted(self.secrets)]
        return f"{body}\n{''.join(lines)}"

    def __repr__(self) -> str:
        return f"LogKeys({self.name}, {[one.number for one in self.known]})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("the keys of a log cannot be pickled")


def create(directory: Path) -> None:
    """Make the first key of a log in a directory without any key; safe to repeat.

    A directory with a key-encryption key is complete or damaged: a new key there would quietly begin another log.
    """
    there = key_files(directory, _SECRET) or key_files(directory, _PUBLIC) or list(directory.glob("kek-*.key"))
    if not there:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        write_key(directory / _file(1, "key"))


def add(directory: Path, name: str) -> LogKeys:
    """Make the next key; from now on checkpoints bear its signature beside those of the older ones."""
    newest = LogKeys.load(directory, name).known[0].number
    write_key(directory / _file(newest + 1, "key"))
    return LogKeys.load(directory, name)


def trust(directory: Path, line: str) -> LogKeys:
    """Believe the next key of a signer outside: its verifier line is kept. Raises LedgerError when it is malformed."""
    name, key = read_verifier(line)
    there = key_files(directory, _PUBLIC)
    known = LogKeys.load(directory, name).known if there else ()
    if key not in [one.public_key for one in known]:
        number = known[0].number + 1 if known else 1
        _write(directory / _file(number, "pub"), verifier_line(name, key))
    return LogKeys.load(directory, name)


def retire(directory: Path, name: str, key: LogKey, *, until: int) -> LogKeys:
    """Destroy a key that signed; of it the public half is kept, for what it signed up to that many entries.

    Raises LedgerError when no other key is in use.
    """
    keys = LogKeys.load(directory, name)
    if [one.number for one in keys.in_use] == [key.number]:
        raise LedgerError("it is the only key in use: add another one first")
    _write(directory / _file(key.number, "pub"), keys.line(replace(key, until=until)))
    (directory / _file(key.number, "key")).unlink(missing_ok=True)
    return LogKeys.load(directory, name)


def _file(number: int, kind: str) -> str:
    return f"log.{kind}" if number == 1 else f"log-{number}.{kind}"


def _secret(path: Path) -> Ed25519PrivateKey:
    seed: Key = read_key(path)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _public(path: Path, number: int, name: str) -> LogKey:
    try:
        return _read(path.read_text("ascii", "replace"), name, number)
    except LedgerError as error:
        raise SettingError("keys", str(path), f"is no verifier line ({error}): restore it from the backup") from error


def _read(line: str, name: str, number: int) -> LogKey:
    plain, _, until = line.strip().partition(" until ")
    named, key = read_verifier(plain)
    if named != name or not (until or "0").isdecimal():
        raise LedgerError(f"the verifier line is not one of {name}")
    return LogKey(number, key, int(until) if until else None)


def _write(path: Path, line: str) -> None:
    draft = path.with_suffix(".part")
    draft.write_text(f"{line}\n", "ascii")
    draft.replace(path)
