"""The faxes of a home: their way out, and how their pages look."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from uamail.errors import NotFound, SettingError
from uamail.fax.spool import Spool
from uamail.installation.mailing import Mailing
from uamail.mail.relay import Relay
from uamail.pipeline.dispatch import Terms
from uamail.pipeline.faxing import SPOOL
from uamail.pipeline.faxresults import Rules as FaxRules
from uamail.printing.profile import Profile
from uamail.printing.profile import load as print_profile

# Faxes claimed at once: their pages are laid out before the first of them goes, and a slot must not expire meanwhile.
FAXES = 4


@dataclass(frozen=True)
class Faxing(Mailing):
    """Through a gateway by mail, or into a spool; or not at all."""

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
