"""The mail of a home: its relays, signature, pace, and what claims go by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from uamail.errors import InputError, RuleRefused, SettingError
from uamail.installation.core import Core
from uamail.mail import dkimkey
from uamail.mail.dkim import Signer, SigningKey
from uamail.mail.faxgateway import Gateway
from uamail.mail.relay import Relay, Timeouts
from uamail.mail.route import EVERYWHERE, Route
from uamail.pacing import Conditions, Rate, Rates, Window
from uamail.pipeline import rescue
from uamail.pipeline.dispatch import Terms
from uamail.pipeline.sending import House
from uamail.settings import LimitSettings, WindowSettings


@dataclass(frozen=True)
class Mailing(Core):
    """How mail leaves."""

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
            public_url=self.settings.web.public_url,
        )

    @cached_property
    def gateway(self) -> Gateway | None:
        """The fax gateway; None when faxes go another way or none. Raises SettingError for an unsafe address."""
        chosen = self.settings.fax
        if chosen.way != "gateway":
            return None
        return Gateway(address=chosen.address, subject=chosen.subject, text=chosen.text)

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
            record_lag=timedelta(minutes=minutes) if (minutes := self.settings.audit.pause_minutes) else None,
        )


def _rate(one: LimitSettings) -> Rate:
    return Rate(one.burst, one.count, one.period_seconds)
