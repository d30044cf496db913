"""The core of a home: what lies in its directory, opened on first use."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from uamail.db import Database
from uamail.errors import LedgerError, SettingError
from uamail.journal import Book, Journals
from uamail.ledger import guard
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.cosignature import Witness, read_witness
from uamail.ledger.keys import LogKeys
from uamail.ledger.signer import HouseSigner, OutsideSigner, Signer
from uamail.paths import Home
from uamail.settings import Settings
from uamail.store import Store
from uamail.vault import Keyring


@dataclass(frozen=True)
class Core:
    """Settings, database, keys and files. `pacing` False lifts the limits (rehearsals on a loopback relay only)."""

    settings: Settings
    pacing: bool = True

    @cached_property
    def home(self) -> Home:
        return self.settings.home

    @cached_property
    def db(self) -> Database:
        return Database(self.settings.database_url, pool_size=self.settings.work.threads + 4)

    @cached_property
    def log_db(self) -> Database:
        """The same database for those who write the evidence tree, checkpoints and anchors; with a role of its own."""
        url = self.settings.database.sequencer_url
        return Database(url, pool_size=2) if url else self.db

    @cached_property
    def keys(self) -> Keyring:
        return Keyring.load(self.home.keys)

    @cached_property
    def store(self) -> Store:
        return Store(self.home.store)

    @cached_property
    def journals(self) -> Journals:
        return Journals(self.home.journal)

    def fence(self, worker: str) -> Book | None:
        """Stop a silent worker of this machine, and read what it has begun; None when its journal is not here."""
        return self.journals.fence(worker) if self.journals.here(worker) else None

    @property
    def guards(self) -> list[Path]:
        """Where the last checkpoint is kept outside the database."""
        folders = [self.home.guard]
        if self.settings.audit.guard_dir:
            folders.append(Path(self.settings.audit.guard_dir))
        return [folder / "checkpoint" for folder in folders]

    def guarded(self) -> list[Checkpoint]:
        """The checkpoints kept outside the database. Raises LedgerError for one that no key of ours signed."""
        return guard.kept(self.guards, self.log_keys)

    @property
    def log_keys(self) -> LogKeys:
        """The keys of the log, read anew each time: another process may have added or retired one."""
        return LogKeys.load(self.home.keys, self.settings.audit.origin)

    @cached_property
    def log_signer(self) -> Signer:
        """Who signs the log's checkpoints."""
        url = self.settings.audit.signer
        return OutsideSigner(url) if url else HouseSigner(self.home.keys, self.settings.audit.origin, self.guards)

    @cached_property
    def witnesses(self) -> list[tuple[str, Witness]]:
        """Where each witness answers, and its key. Raises SettingError for a malformed line."""
        found = []
        for line in self.settings.audit.witnesses:
            url, _, verifier = line.partition(" ")
            try:
                found.append((url, read_witness(verifier)))
            except LedgerError as error:
                raise SettingError("audit.witnesses", line, str(error)) from error
        return found

    @property
    def quarantined(self) -> frozenset[str]:
        """The names of the quarantine files that nobody has deleted yet."""
        return frozenset(path.name for path in self.home.quarantine.glob("import-*.csv"))

    def close(self) -> None:
        self.db.close()
        self.log_db.close()
