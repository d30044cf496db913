"""The staff of a home: who is told of what, how, and when."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from uamail.errors import InputError, SettingError
from uamail.hook import Hook
from uamail.installation.mailing import Mailing
from uamail.mail.address import parse
from uamail.models.alert import CAUSES
from uamail.pipeline.alerting import Person
from uamail.pipeline.alerting import Rules as AlertRules
from uamail.pipeline.digesting import Timetable
from uamail.pipeline.telling import Voice
from uamail.queries.sights import Limits


@dataclass(frozen=True)
class Staffing(Mailing):
    """Alerts, the daily digest, and the limits from which something is worth telling."""

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


def _address(name: str, text: str) -> str:
    try:
        return parse(text).addr
    except InputError as error:
        raise SettingError(f"staff.{name}.email", text, str(error)) from error
