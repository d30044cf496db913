"""One installation, opened: its settings, database, keys and store. What every roof stands on."""

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from uamail import settings as setting
from uamail.db import Database, migrate
from uamail.errors import NotFound, RuleRefused, SettingError
from uamail.mail.relay import Relay, Timeouts
from uamail.pacing import Conditions, Rate, Rates, Window
from uamail.paths import Home
from uamail.pipeline.batching import Rules
from uamail.pipeline.dispatch import Terms
from uamail.pipeline.sending import House
from uamail.settings import LimitSettings, Settings, WindowSettings
from uamail.store import Store
from uamail.vault import Keyring


@dataclass(frozen=True)
class Installation:
    """A home with everything opened on first use.

    `pacing` False lifts the limits (rehearsals on a loopback relay only).
    """

    settings: Settings
    pacing: bool = True

    @cached_property
    def home(self) -> Home:
        return self.settings.home

    @cached_property
    def db(self) -> Database:
        return Database(self.settings.database_url, pool_size=self.settings.work.threads + 4)

    @cached_property
    def keys(self) -> Keyring:
        return Keyring.load(self.home.keys)

    @cached_property
    def store(self) -> Store:
        return Store(self.home.store)

    @cached_property
    def house(self) -> House:
        return House(mail=self.settings.mail, keys=self.keys, templates_dir=self.settings.operator_templates)

    @cached_property
    def relay(self) -> Relay:
        """The relay in use. Raises SettingError when it is not configured or its terms are unsafe."""
        name = self.settings.mail.relay
        chosen = self.settings.relays.get(name)
        if chosen is None:
            raise SettingError("mail.relay", name, f"there is no [relays.{name}]")
        password = self.settings.relay_password(name)
        return Relay(
            name=name,
            host=chosen.host,
            port=chosen.port,
            helo=self.settings.mail.helo or self.settings.mail.domain,
            tls=chosen.tls,
            username=chosen.username or None,
            password=password.get_secret_value() if password else None,
            max_connections=chosen.max_connections,
            messages_per_connection=chosen.messages_per_connection,
            timeouts=Timeouts(connect=chosen.connect_seconds, command=chosen.command_seconds, dot=chosen.dot_seconds),
            ca_file=chosen.ca_file or None,
        )

    @cached_property
    def rates(self) -> Rates:
        """The limits. Raises SettingError for a window or holidays that do not exist."""
        scopes, own = self.settings.pacing, self.settings.limits
        named = [(f"pacing.{name}", name, one) for name, one in scopes.items()]
        named += [(f"limits.{name}", name, one) for name, one in own.items()]
        return Rates(
            scopes={scope: _rate(one) for scope, one in scopes.items()},
            own={key: _rate(one) for key, one in own.items()},
            conditions={name: self._conditions(setting, one) for setting, name, one in named},
        )

    def _conditions(self, name: str, one: LimitSettings) -> Conditions:
        return Conditions(
            window=self._window(f"{name}.window", one.window) if one.window is not None else None,
            daily_cap=one.daily_cap or None,
            lifetime_cap=one.lifetime_cap or None,
            spread=one.spread,
        )

    def _window(self, name: str, one: WindowSettings) -> Window:
        known = self.settings.holidays
        if one.holidays and one.holidays not in known:
            raise SettingError(f"{name}.holidays", one.holidays, f"there is {', '.join(known)}; or add [holidays.XX]")
        days = frozenset(known[one.holidays]) if one.holidays else frozenset()
        try:
            return Window(zone=one.zone, days=one.days, opens=one.opens, closes=one.closes, holidays=days)
        except ValueError as error:
            raise SettingError(name, one.model_dump(), str(error)) from error

    @cached_property
    def terms(self) -> Terms:
        """What claims go by. Raises RuleRefused when the limits are lifted for a relay that is not on this machine."""
        if not self.pacing and not self.relay.loopback:
            raise RuleRefused(
                f"--no-pacing is for rehearsals: {self.relay.host} is no loopback address, so the limits hold"
            )
        work = self.settings.work
        return Terms(
            relay=self.relay.name,
            rehearsal=self.relay.loopback,
            rates=self.rates if self.pacing else None,
            lease=timedelta(seconds=work.lease_seconds),
            most=work.claim,
            permit=timedelta(seconds=work.permit_seconds),
            never_send=self.settings.mail.never_send,
        )

    @cached_property
    def print_rules(self) -> Rules:
        chosen = self.settings.print
        return Rules(
            profile=chosen.profile,
            profiles=chosen.profiles,
            mode=chosen.mode,
            seal_pieces=chosen.seal_pieces,
            seal_after=timedelta(hours=chosen.seal_hours),
        )

    def close(self) -> None:
        self.db.close()


def create(root: Path) -> Installation:
    """Make a home (directories 0700, keys 0600, database); safe to repeat."""
    home = Home(root)
    for directory in home.directories():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def _rate(one: LimitSettings) -> Rate:
    return Rate(one.burst, one.count, one.period_seconds)
