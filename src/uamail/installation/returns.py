"""What comes back to a home: bounces, and what a relay's log may settle."""

import os
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from uamail.errors import SettingError
from uamail.installation.core import Core
from uamail.mail.incoming.imap import Account
from uamail.pipeline import bounces
from uamail.pipeline.reconciling import Rules as LogRules


@dataclass(frozen=True)
class Returns(Core):
    """Where to look for what came back, and what to make of it."""

    @cached_property
    def log_rules(self) -> LogRules:
        """What the relay's log may settle. Raises SettingError for a relay that is not configured."""
        chosen = self.settings.reconcile
        relay = chosen.relay or self.settings.mail.relay
        if relay not in self.settings.relays:
            raise SettingError("reconcile.relay", relay, f"there is no [relays.{relay}]")
        return LogRules(relay=relay, margin=timedelta(seconds=chosen.margin_seconds), requeue=chosen.requeue_missing)

    @cached_property
    def log_zone(self) -> tzinfo:
        """The zone of log lines that name none. Raises SettingError for an unknown one."""
        name = self.settings.reconcile.zone or os.environ.get("TZ", "")
        try:
            return ZoneInfo(name) if name else own_zone()
        except (KeyError, ValueError, OSError) as error:
            raise SettingError("reconcile.zone", name, "write an IANA name like Europe/London") from error

    @cached_property
    def bounce_terms(self) -> bounces.Terms:
        chosen = self.settings.bounces
        return bounces.Terms(
            keys=self.keys,
            domain=self.settings.mail.domain,
            full_wait=timedelta(hours=chosen.full_hours),
            full_retries=chosen.full_retries,
        )

    @cached_property
    def bounce_maildir(self) -> Path | None:
        return self.home.root / self.settings.bounces.maildir if self.settings.bounces.maildir else None

    @cached_property
    def bounce_account(self) -> Account | None:
        """The IMAP folder for what comes back. Raises SettingError when its password cannot be read."""
        chosen = self.settings.bounces.imap
        if not chosen.host:
            return None
        return Account(
            host=chosen.host,
            port=chosen.port,
            username=chosen.username,
            password=self.settings.secret("bounces.imap.password_file", chosen.password_file).get_secret_value(),
            folder=chosen.folder,
            done_folder=chosen.done_folder,
            ca_file=chosen.ca_file or None,
        )


def own_zone() -> tzinfo:
    """This machine's zone with its summer times, as every local program that writes a log sees it."""
    local = Path("/etc/localtime")
    if not local.exists():
        return UTC
    with local.open("rb") as file:
        return ZoneInfo.from_file(file)
