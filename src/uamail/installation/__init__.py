"""One installation, opened: its settings, database, keys and store. What every roof stands on."""

import os
from dataclasses import dataclass
from pathlib import Path

from uamail import settings as setting
from uamail.db import migrate
from uamail.errors import NotFound
from uamail.installation.faxing import Faxing
from uamail.installation.paper import Paper
from uamail.installation.returns import Returns, own_zone
from uamail.installation.staffing import Staffing
from uamail.ledger import keys as log_keys
from uamail.paths import Home
from uamail.vault import Keyring

__all__ = ["Installation", "create", "open_home", "own_zone"]


@dataclass(frozen=True)
class Installation(Faxing, Staffing, Returns, Paper):
    """A home with everything opened on first use, each part by its own page."""


def create(root: Path) -> Installation:
    """Make a home (directories 0700, keys 0600, database); safe to repeat."""
    home = Home(root)
    for directory in home.directories():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_keys.create(home.keys)
    Keyring.create(home.keys)
    if not home.settings_file.exists():
        home.settings_file.write_text(
            "# Only what differs from the defaults; config/uamail.toml explains every setting.\n"
        )
    made = open_home(root, migrated=False)
    os.umask(0o077)
    migrate.upgrade(made.db)
    return made


def open_home(root: Path, *, pacing: bool = True, migrated: bool = True) -> Installation:
    """Open an existing home. Raises NotFound when there is none."""
    if migrated and not Home(root).keys.is_dir():
        raise NotFound(f"no home at {root}: uamail init --home {root}")
    return Installation(setting.load(root), pacing=pacing)
