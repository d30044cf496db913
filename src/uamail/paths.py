"""Where things lie: the shipped templates and configuration, and the directories of a home."""

from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def _shipped(folder: str) -> Path:
    """The folder inside an installed wheel, or beside src/ in a checkout (editable install)."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _CHECKOUT / folder


TEMPLATES = _shipped("templates")
CONFIG = _shipped("config")


@dataclass(frozen=True)
class Home:
    """A home directory: everything one installation of uamail keeps."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "uamail.toml"

    @property
    def database(self) -> Path:
        return self.root / "uamail.db"

    @property
    def keys(self) -> Path:
        """Secrets: 0700, every file in it 0600."""
        return self.root / "keys"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def journal(self) -> Path:
        """What sending processes were about to do; must be on a disk of this machine."""
        return self.root / "journal"

    @property
    def guard(self) -> Path:
        """The last checkpoint that was published. Better on another disk: see the setting audit.guard_dir."""
        return self.root / "guard"

    def directories(self) -> tuple[Path, ...]:
        return (self.root, self.keys, self.store, self.quarantine, self.journal, self.guard)
