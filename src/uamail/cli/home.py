"""`uamail init`: a home with its database, keys and directories."""

from uamail.cli.desk import HomeOption, JsonOption, show
from uamail.installation import create


def init(home: HomeOption, as_json: JsonOption = False) -> None:
    """Create a home: database, keys (0600), directories. Safe to repeat."""
    inst = create(home)
    inst.close()
    facts = {"home": str(home.resolve()), "database": inst.settings.database.url or str(inst.home.database)}
    show(facts, as_json, lambda: f"home {facts['home']} is ready; next: uamail action add FILE.toml")
