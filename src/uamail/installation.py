"""One installation, opened: its settings, database, keys and store. What every roof stands on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, tzinfo
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from uamail import settings as setting
from uamail.db import Database, migrate
from uamail.errors import InputError, LedgerError, NotFound, RuleRefused, SettingError
from uamail.fax.spool import Spool
from uamail.hook import Hook
from uamail.journal import Book, Journals
from uamail.ledger.checkpoint import Checkpoint, open_note
from uamail.ledger.cosignature import Witness, read_witness
from uamail.mail import dkimkey
from uamail.mail.address import parse
from uamail.mail.dkim import Signer, SigningKey
from uamail.mail.faxgateway import Gateway
from uamail.mail.incoming.imap import Account
from uamail.mail.relay import Relay, Timeouts
from uamail.mail.route import EVERYWHERE, Route
from uamail.models.alert import CAUSES
from uamail.pacing import Conditions, Rate, Rates, Window
from uamail.paths import Home
from uamail.pipeline import bounces, rescue
from uamail.pipeline.alerting import Person
from uamail.pipeline.alerting import Rules as AlertRules
from uamail.pipeline.batching import Rules
from uamail.pipeline.contents import Tariffs
from uamail.pipeline.digesting import Timetable
from uamail.pipeline.dispatch import Terms
from uamail.pipeline.faxing import SPOOL
from uamail.pipeline.faxresults import Rules as FaxRules
from uamail.pipeline.reconciling import Rules as LogRules
from uamail.pipeline.sending import House
from uamail.pipeline.telling import Voice
from uamail.printing import postage, transit
from uamail.printing.profile import Profile
from uamail.printing.profile import load as print_profile
from uamail.queries.sights import Limits
from uamail.settings import LimitSettings, Settings, WindowSettings
from uamail.store import Store
from uamail.vault import Keyring

# Faxes claimed at once: their pages are laid out before the first of them goes, and a slot must not expire meanwhile.
FAXES = 4


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

    @cached_property
    def rescue_rules(self) -> rescue.Rules:
        return rescue.Rules(retry=self.settings.retry, name=self.house.message_id)

    @cached_property
    def house(self) -> House:
        return House(
            mail=self.settings.mail,
            keys=self.keys,
            templates_dir=self.settings.operator_templates,
            gateway=self.gateway,
        )

    @cached_property
    def relay(self) -> Relay:
        """The relay in use. Raises SettingError when it is not configured or its terms are unsafe."""
        name = self.settings.mail.relay
        if name not in self.settings.relays:
            raise SettingError("mail.relay", name, f"there is no [relays.{name}]")
        return self._relay(name)

    @cached_property
    def relays(self) -> Mapping[str, Relay]:
        """Every configured relay by its name. Raises SettingError when the terms of one are unsafe."""
        return {
            name: self.relay if name == self.settings.mail.relay else self._relay(name) for name in self.settings.relays
        }

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """What each relay is for; the one in use takes everything unless it has routes of its own."""
        return tuple(
            Route(
                relay=name,
                targets=frozenset(one.routes or ([EVERYWHERE] if name == self.settings.mail.relay else [])),
                senders=frozenset(one.senders),
                preference=one.preference,
            )
            for name, one in self.settings.relays.items()
        )

    def _relay(self, name: str) -> Relay:
        chosen = self.settings.relays[name]
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
    def signer(self) -> Signer | None:
        """Signs what goes out; None where the relay does or nobody. Raises SettingError for a key that will not do."""
        keys = tuple(
            SigningKey(self.settings.dkim.selector(kind), self._dkim_key(kind)) for kind in self.settings.dkim.kinds
        )
        return Signer(self.settings.dkim_domain, keys) if keys else None

    def _dkim_key(self, kind: dkimkey.Kind) -> dkimkey.PrivateKey:
        try:
            return dkimkey.read(self.settings.dkim_key(kind), kind=kind)
        except InputError as error:
            raise SettingError(f"dkim.{kind}_key_file", self.settings.dkim.key_file(kind), str(error)) from error

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
        """What claims for the relay in use go by. Raises RuleRefused as `terms_over` does."""
        return self.terms_over(self.relay)

    def terms_over(self, relay: Relay) -> Terms:
        """What claims go by. Raises RuleRefused when the limits are lifted for a relay that is not on this machine."""
        if not self.pacing and not relay.loopback:
            raise RuleRefused(f"--no-pacing is for rehearsals: {relay.host} is no loopback address, so the limits hold")
        work = self.settings.work
        return Terms(
            relay=relay.name,
            rehearsal=relay.loopback,
            rates=self.rates if self.pacing else None,
            lease=timedelta(seconds=work.lease_seconds),
            most=work.claim,
            permit=timedelta(seconds=work.permit_seconds),
            routes=self.routes,
            sender=self.settings.mail.domain,
            # In test mode as well: a letter that went to the tester must never count as sent to its target.
            never_send=self.settings.mail.quiet is not None,
        )

    @cached_property
    def gateway(self) -> Gateway | None:
        """The fax gateway; None when faxes go another way or none. Raises SettingError for an unsafe address."""
        chosen = self.settings.fax
        if chosen.way != "gateway":
            return None
        return Gateway(address=chosen.address, subject=chosen.subject, text=chosen.text)

    @cached_property
    def spool(self) -> Spool | None:
        """The fax spool; None when faxes go another way or none."""
        chosen = self.settings.fax
        return Spool(self.home.root / chosen.spool) if chosen.way == "spool" else None

    @property
    def fax_domain(self) -> str | None:
        """The domain that faxes are mailed to, empty for the spool, None while there is no way for them."""
        if self.gateway is not None:
            return self.gateway.domain
        return "" if self.spool is not None else None

    @cached_property
    def fax_terms(self) -> Terms | None:
        """What claims of faxes go by; None while there is no way for them.

        The spool is no rehearsal and keeps its pace, whatever the relay is.
        """
        if self.fax_domain is not None:
            _ = self.fax_profile
        if self.gateway is not None:
            return self.fax_terms_over(self.relay)
        return self.fax_terms_over(None) if self.spool is not None else None

    @property
    def fax_over(self) -> str | None:
        """The relay or the spool that faxes go through; None while there is no way for them."""
        return self.fax_terms.relay if self.fax_terms is not None else None

    def fax_terms_over(self, relay: Relay | None) -> Terms:
        """The same for a relay, or for the spool when there is none."""
        plain = self.terms_over(relay or self.relay)
        few = replace(plain, kinds=("fax",), most=min(plain.most, FAXES))
        if relay is not None:
            return few
        return replace(few, relay=SPOOL, rehearsal=False, rates=self.rates, routes=())

    @cached_property
    def fax_profile(self) -> Profile:
        """What the pages of faxes look like. Raises SettingError when there is no such profile."""
        try:
            return print_profile(self.settings.fax.profile)
        except NotFound as error:
            raise SettingError("fax.profile", self.settings.fax.profile, str(error)) from error

    @cached_property
    def fax_rules(self) -> FaxRules:
        chosen = self.settings.fax
        return FaxRules(
            busy_wait=timedelta(minutes=chosen.busy_minutes),
            busy_retries=chosen.busy_retries,
            most_failures=chosen.most_failures,
            keep=timedelta(hours=chosen.keep_hours),
        )

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

    @property
    def print_certificate(self) -> Path | None:
        """The certificate that exports are sealed for; None where they leave in clear."""
        name = self.settings.print.certificate
        return self.home.root / name if name else None

    def shift_of(self, printer: str | None = None) -> tuple[float, float]:
        """Millimetres right and down for a printer, or for the one in use. Raises SettingError for an unknown one."""
        chosen = self.settings.print
        name = chosen.printer if printer is None else printer
        if not name:
            return 0.0, 0.0
        if name not in chosen.printers:
            raise SettingError("print.printers", name, f"there is {', '.join(chosen.printers) or 'none'}")
        return chosen.printers[name].dx, chosen.printers[name].dy

    @cached_property
    def tariffs(self) -> Tariffs:
        """Postage and transit times: the home's own tables, else the shipped ones. Raises SettingError."""
        return Tariffs(
            postage=postage.load(file=self._own("postage.toml")), transit=transit.load(file=self._own("transit.toml"))
        )

    def _own(self, name: str) -> Path | None:
        own = self.home.root / name
        return own if own.exists() else None

    @cached_property
    def voice(self) -> Voice:
        """How the staff are told. Raises SettingError when an address, a webhook or its secret is unsafe."""
        staff = self.settings.staff
        return Voice(
            sender=(self.settings.mail.service_name, self.house.sender),
            domain=self.settings.mail.domain,
            key=self.keys.derive("alert message-id"),
            relay=self.relay,
            addresses={name: _address(name, one.email) for name, one in staff.items() if one.email},
            hooks={name: self._hook(name) for name, one in staff.items() if one.webhook},
            templates_dir=self.settings.operator_templates,
        )

    def _hook(self, name: str) -> Hook:
        secret = self.settings.webhook_secret(name)
        chosen = self.settings.staff[name]
        ca_file = str(self.home.root / chosen.ca_file) if chosen.ca_file else None
        return Hook(name=name, url=chosen.webhook, secret=secret.get_secret_value() if secret else "", ca_file=ca_file)

    @cached_property
    def alert_rules(self) -> AlertRules:
        """Who is told of what. With never_send nobody is told by e-mail."""
        repeat = self.settings.alerts.repeat_hours
        return AlertRules(
            staff=[self._person(name) for name in self.settings.staff],
            repeat=timedelta(hours=repeat) if repeat else None,
        )

    def _person(self, name: str) -> Person:
        one = self.settings.staff[name]
        by_mail = name in self.voice.addresses and not self.settings.mail.never_send
        ways = (*(["mail"] if by_mail else []), *(["webhook"] if name in self.voice.hooks else []))
        return Person(name=name, ways=ways, causes=one.causes or CAUSES, digest=one.digest and by_mail)

    @cached_property
    def sight_limits(self) -> Limits:
        chosen = self.settings.alerts
        return Limits(
            stalled_log=timedelta(minutes=chosen.stalled_log_minutes),
            stuck_lane=timedelta(minutes=chosen.stuck_lane_minutes),
            uncertain=timedelta(minutes=chosen.uncertain_minutes),
            disk_free=chosen.disk_free_percent / 100,
        )

    @cached_property
    def timetable(self) -> Timetable:
        chosen = self.settings.alerts
        return Timetable(
            at=chosen.digest_at, zone=chosen.digest_zone, days=chosen.digest_days, empty=chosen.digest_empty
        )

    @property
    def guards(self) -> list[Path]:
        """Where the last checkpoint is kept outside the database."""
        folders = [self.home.guard]
        if self.settings.audit.guard_dir:
            folders.append(Path(self.settings.audit.guard_dir))
        return [folder / "checkpoint" for folder in folders]

    def guarded(self) -> list[Checkpoint]:
        """The checkpoints kept outside the database. Raises LedgerError for one that our key did not sign."""
        name, key = self.settings.audit.origin, self.keys.log_public
        notes = [path.read_text("utf-8") for path in self.guards if path.exists()]
        return [open_note(note, name=name, public_key=key) for note in notes]

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


def own_zone() -> tzinfo:
    """This machine's zone with its summer times, as every local program that writes a log sees it."""
    local = Path("/etc/localtime")
    if not local.exists():
        return UTC
    with local.open("rb") as file:
        return ZoneInfo.from_file(file)


def _address(name: str, text: str) -> str:
    try:
        return parse(text).addr
    except InputError as error:
        raise SettingError(f"staff.{name}.email", text, str(error)) from error


def _rate(one: LimitSettings) -> Rate:
    return Rate(one.burst, one.count, one.period_seconds)
