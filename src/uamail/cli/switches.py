"""What keeps mail from leaving, said where an operator cannot miss it."""

from typing import Any

from sqlalchemy.orm import Session

from uamail.cli.desk import err
from uamail.queries import lists
from uamail.settings import Settings


def switches(session: Session, settings: Settings) -> dict[str, Any]:
    """The global switch of the settings (None when it is off), and every stop that is in force."""
    return {"quiet": settings.mail.quiet, "stops": lists.stops(session)}


def warn(found: dict[str, Any]) -> None:
    """One line each on standard error; nothing when letters leave."""
    if found["quiet"]:
        err.print(f"! {found['quiet']}", markup=False, soft_wrap=True)
    for one in found["stops"]:
        name = f"{one['scope']} {one['key']}".rstrip()
        err.print(f"! stopped: {name} ({one['reason']})", markup=False, soft_wrap=True)
