"""The paper of a home: batches, printers and tariffs."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from uamail.errors import SettingError
from uamail.installation.core import Core
from uamail.pipeline.batching import Rules
from uamail.pipeline.contents import Tariffs
from uamail.printing import postage, transit


@dataclass(frozen=True)
class Paper(Core):
    """How letters are gathered, laid out and paid for."""

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
