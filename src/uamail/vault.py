"""The vault: keys that lie outside the database, and what may be done with them to private data inside it."""

import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Never, SupportsIndex

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from uamail.errors import SettingError, StoreError

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D: a random 96-bit nonce is good for 2^32 boxes under one key
_WRAP_VERSION = b"\x01"
_WRAP_HEAD = 3  # version, then the number of the key-encryption key in two bytes
_KEK_FILE = re.compile(r"kek-([1-9][0-9]{0,3})\.key")
_LOOKUP, _MESSAGE_ID = "lookup.key", "message-id.key"


class Key(bytes):
    """Secret bytes that no log, traceback or message can show: neither printed nor pickled."""

    def __repr__(self) -> str:
        return "Key(…)"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a key cannot be pickled")


@dataclass(frozen=True, repr=False)
class Keyring:
    """The keys of one home. Key-encryption keys are numbered: the newest wraps, all unwrap."""

    keks: Mapping[int, Key]
    lookup_key: Key
    message_id_key: Key

    @classmethod
    def create(cls, directory: Path) -> "Keyring":
        """Make what is missing in a directory that has no key-encryption key yet, then load it; safe to repeat.

        A directory that has one is complete or damaged, and a new lookup key would quietly forget everybody:
        so nothing is made there, and load() names what is missing.
        """
        if not key_files(directory, _KEK_FILE):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            # The key-encryption key comes last: a crash before it leaves a directory in which nothing was used yet.
            for name in (_LOOKUP, _MESSAGE_ID, "kek-1.key"):
                write_key(directory / name)
            _sync(directory.parent)
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> "Keyring":
        """Read the keys; raises SettingError when one is missing, malformed or readable by others (names the chmod)."""
        if not directory.is_dir():
            raise SettingError("keys", str(directory), "is not there: run `uamail init`")
        _refuse_open_mode(directory, directory.stat().st_mode, "700")
        keks = {number: read_key(path) for number, path in key_files(directory, _KEK_FILE).items()}
        if not keks:
            raise SettingError("keys", str(directory), "has no kek-1.key: run `uamail init`, or restore the backup")
        return cls(keks, *(read_key(directory / name) for name in (_LOOKUP, _MESSAGE_ID)))

    @classmethod
    def rotate(cls, directory: Path) -> "Keyring":
        """Add the next key-encryption key. The older ones must stay until everything they wrapped is wrapped anew."""
        newest = max(cls.load(directory).keks)
        write_key(directory / f"kek-{newest + 1}.key")
        return cls.load(directory)

    def new_key(self) -> tuple[Key, bytes]:
        """A fresh 256-bit key, and its wrapped form (63 bytes) for the database."""
        key = Key(secrets.token_bytes(KEY_BYTES))
        return key, self._wrap(key)

    def unwrap(self, wrapped: bytes) -> Key:
        """The key inside; raises SettingError when its key-encryption key is missing, StoreError when it is damaged."""
        head, box = wrapped[:_WRAP_HEAD], wrapped[_WRAP_HEAD:]
        if len(head) < _WRAP_HEAD or head[:1] != _WRAP_VERSION:
            raise StoreError("a wrapped key has an unknown form")
        number = int.from_bytes(head[1:])
        if number not in self.keks:
            raise SettingError("keys", f"kek-{number}.key", "is missing: restore it from the backup of the keys")
        return Key(_opened(_cipher(self.keks[number]), box, aad=head))

    def rewrap(self, wrapped: bytes) -> bytes:
        """The same key under the newest key-encryption key."""
        return self._wrap(self.unwrap(wrapped))

    def _wrap(self, key: Key) -> bytes:
        newest = max(self.keks)
        head = _WRAP_VERSION + newest.to_bytes(2)
        return head + self.seal(self.keks[newest], key, aad=head)

    @staticmethod
    def seal(key: bytes, plaintext: bytes, *, aad: bytes) -> bytes:
        """AES-256-GCM: a random nonce (12 bytes), the ciphertext, the tag (16). `aad` binds the box to its place."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)

    @staticmethod
    def open(key: bytes, box: bytes, *, aad: bytes) -> bytes:
        """The plaintext; raises StoreError for another key, another place or changed bytes."""
        try:
            cipher = AESGCM(key)
        except ValueError as error:
            raise StoreError("a sealed record cannot be opened: another key, another place or changed bytes") from error
        return _opened(cipher, box, aad=aad)

    def lookup(self, purpose: str, text: str) -> bytes:
        """32 bytes by which to find a private text without storing it: HMAC-SHA-256, different for every purpose.

        Texts that Unicode calls a compatibility caseless match (Unicode 3.13, D146) are found as one.
        """
        return hmac.digest(self.lookup_key, _label(b"lookup", purpose) + _folded(text), "sha256")

    def derive(self, purpose: str) -> Key:
        """A 32-byte subkey (HKDF-SHA-256, RFC 5869) that stays the same when key-encryption keys rotate."""
        hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_label(b"derive", purpose))
        return Key(hkdf.derive(self.lookup_key))

    def __repr__(self) -> str:
        return f"Keyring(keks={sorted(self.keks)})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a keyring cannot be pickled")


# A few key-encryption keys open every letter's key; setting a cipher up costs as much as using it.
_cipher = lru_cache(maxsize=64)(AESGCM)


def _opened(cipher: AESGCM, box: bytes, *, aad: bytes) -> bytes:
    try:
        return cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], aad)
    except (InvalidTag, ValueError) as error:
        raise StoreError("a sealed record cannot be opened: another key, another place or changed bytes") from error


def _label(use: bytes, purpose: str) -> bytes:
    if not purpose or "\0" in purpose:
        raise ValueError("a purpose is a word without NUL")
    return b"uamail " + use + b"\0" + purpose.encode() + b"\0"


def _folded(text: str) -> bytes:
    once = unicodedata.normalize("NFD", text).casefold()
    twice = unicodedata.normalize("NFKD", once).casefold()
    # A lone surrogate must not raise: the exception would carry the private text.
    return unicodedata.normalize("NFKC", twice).encode("utf-8", "surrogatepass")


def key_files(directory: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """The files of a directory whose names fit, by the number that the pattern's group finds; 1 where it finds none."""
    files = directory.iterdir() if directory.is_dir() else ()
    matches = ((pattern.fullmatch(path.name), path) for path in files)
    return dict(sorted((int(match[1] or 1), path) for match, path in matches if match))


def write_key(path: Path) -> None:
    """A new random key as 64 hex digits; all or nothing, and never over an existing one (two may run at once)."""
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        try:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
            _link(draft, path)
        finally:
            draft.unlink()
    _sync(path.parent)


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_key(path: Path) -> Key:
    """Raises SettingError when it is missing, malformed or readable by others."""
    try:
        with path.open() as file:
            _refuse_open_mode(path, os.fstat(file.fileno()).st_mode, "600")
            key = Key(bytes.fromhex(file.read(4 * KEY_BYTES).strip()))
    except OSError as error:
        remedy = f"cannot be read ({error.strerror}): restore it from the backup of the keys"
        raise SettingError("keys", str(path), remedy) from error
    except ValueError:  # its message would show what the file holds
        key = Key()
    if len(key) != KEY_BYTES:
        raise SettingError("keys", str(path), "is not 64 hex digits: restore it from the backup of the keys")
    return key


def _refuse_open_mode(path: Path, mode: int, wanted: str) -> None:
    if mode & 0o077:
        raise SettingError("keys", str(path), f"can be read by others: run `chmod {wanted} {path}`")
