"""The store: encrypted files named by their SHA-256, written so that a power cut leaves all or nothing."""

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from uamail.errors import StoreError

SEGMENT = 256 * 1024  # plaintext bytes that are sealed together, hence the memory a file of any length needs
_TAG = 16
_MAGIC = b"uamail store 1\n\0"
_SALT = 32
_KEY_BYTES = 32
_NAME = re.compile(r"[0-9a-f]{64}")
_PART = ".part"


@dataclass(frozen=True)
class Stored:
    """What was given (SHA-256 in hex, size in bytes), and the name it lies under: SHA-256 of the encrypted bytes."""

    sha256: str
    name: str
    size: int


@dataclass(frozen=True)
class Store:
    """Encrypted files under a directory, as ab/cd/abcd….

    A file is a magic, a 32-byte salt and AES-256-GCM segments (the STREAM construction of Hoang, Reyhanitabar, Rogaway
    and Vizár, 2015): the nonce counts the segments and marks the last one, so none can be cut off, added or moved. The
    salt gives every file a key of its own, so one key may be used for many files.
    """

    root: Path

    def put(self, data: bytes | Iterable[bytes], *, key: bytes) -> Stored:
        """Encrypt and keep the bytes, in flat memory; when this returns they are on the disk and not before visible.

        An OSError (disk full, failed fsync) passes through: after a failed fsync nothing about the disk is known.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.root / f".{secrets.token_hex(16)}{_PART}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                stored = _write(file, data, key)
                file.flush()
                os.fsync(file.fileno())
            self._publish(draft, stored.name)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return stored

    def open(self, name: str, *, key: bytes) -> Iterator[bytes]:
        """The bytes in segments of at most 256 KiB; the whole file is checked against its name before the first.

        Raises StoreError when the file is missing or damaged, and for another key.
        """
        self.check(name)
        return self._decrypted(name, key)

    def read(self, name: str, *, key: bytes) -> bytes:
        """All bytes at once; raises StoreError like open()."""
        return b"".join(self.open(name, key=key))

    def check(self, name: str) -> int:
        """The stored size in bytes; needs no key. Raises StoreError when the file is missing or damaged."""
        with self._file(name) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != name:
                raise StoreError(f"stored file {name} is damaged: its bytes do not match its name")
            return file.tell()

    def remove(self, name: str) -> bool:
        """Remove the file for good; False when it was not there."""
        path = self._path(name)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        _sync(path.parent)
        return True

    def names(self) -> Iterator[str]:
        """The names of all files, in order."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            yield from sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name))

    def temporary(self) -> tuple[Path, ...]:
        """Drafts that no reader can see: being written at this moment, or left by a crash."""
        return tuple(sorted(self.root.glob(f".*{_PART}")))

    def clean(self, *, before: datetime) -> int:
        """Remove the drafts last written before that time; how many. A living writer touches its draft all the time."""
        return sum(_remove_older(path, before.timestamp()) for path in self.temporary())

    def sweep(self, needed: Collection[str], *, before: datetime) -> int:
        """Remove the files that nobody needs and that were written before that time; how many.

        Younger ones may belong to somebody who has not committed yet.
        """
        return sum(_remove_older(self._path(name), before.timestamp()) for name in self.names() if name not in needed)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StoreError(f"{name!r} is not the name of a stored file")
        return self.root / name[:2] / name[2:4] / name

    def _file(self, name: str) -> BufferedReader:
        try:
            return self._path(name).open("rb")
        except FileNotFoundError as error:
            raise StoreError(f"stored file {name} is missing") from error

    def _publish(self, draft: Path, name: str) -> None:
        path = self._path(name)
        path.parent.parent.mkdir(mode=0o700, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft.rename(path)
        # All three: another process may have made the directories and not yet have brought them to the disk.
        for directory in (path.parent, path.parent.parent, self.root):
            _sync(directory)

    def _decrypted(self, name: str, key: bytes) -> Iterator[bytes]:
        with self._file(name) as file:
            try:
                yield from _open_segments(file, key)
            except InvalidTag as error:
                raise StoreError(f"stored file {name} is damaged, or the key belongs to another file") from error


def _write(file: BinaryIO, data: bytes | Iterable[bytes], key: bytes) -> Stored:
    plain, stored, size = hashlib.sha256(), hashlib.sha256(), 0
    salt = secrets.token_bytes(_SALT)
    cipher = _cipher(key, salt)
    stored.update(_MAGIC + salt)
    file.write(_MAGIC + salt)
    for number, (segment, last) in enumerate(_segments(data)):
        box = cipher.encrypt(_nonce(number, last=last), segment, None)
        plain.update(segment)
        stored.update(box)
        file.write(box)
        size += len(segment)
    return Stored(plain.hexdigest(), stored.hexdigest(), size)


def _segments(data: bytes | Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Full segments, then the last one, marked; it is empty only when there is nothing at all."""
    held = bytearray()
    for piece in _pieces(data):
        held += piece
        if len(held) > SEGMENT:
            yield bytes(held[:SEGMENT]), False
            del held[:SEGMENT]
    yield bytes(held), True


def _pieces(data: bytes | Iterable[bytes]) -> Iterator[memoryview]:
    for chunk in (data,) if isinstance(data, bytes | bytearray | memoryview) else data:
        view = memoryview(chunk)
        for start in range(0, len(view), SEGMENT):
            yield view[start : start + SEGMENT]


def _open_segments(file: BinaryIO, key: bytes) -> Iterator[bytes]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise InvalidTag
    cipher = _cipher(key, file.read(_SALT))
    number, box = 0, file.read(SEGMENT + _TAG)
    while box:
        following = file.read(SEGMENT + _TAG)
        yield cipher.decrypt(_nonce(number, last=not following), box, None)
        number, box = number + 1, following
    if number == 0:
        raise InvalidTag


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    if len(key) != _KEY_BYTES:
        raise ValueError(f"a store key has {_KEY_BYTES} bytes")
    return AESGCM(HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=_MAGIC).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _remove_older(path: Path, seconds: float) -> bool:
    try:
        if path.stat().st_mtime >= seconds:
            return False
        path.unlink()
    except FileNotFoundError:  # its writer published it meanwhile
        return False
    return True


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
