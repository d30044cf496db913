"""Roles on PostgreSQL: the owner migrates, the workers append events, and one role alone writes the evidence tree."""

import re

from uamail.errors import InputError
from uamail.models import Base

# What the workers may add to and read, and nothing else.
EVENTS = ("audit_event", "audit_span")
# What only the sequencer may add to.
TREE = ("audit_leaf", "audit_node", "audit_checkpoint", "audit_anchor")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def statements(*, app: str, sequencer: str) -> list[str]:
    """What the owner of the tables runs, after every migration; both roles exist already.

    Raises InputError for a name that would have to be quoted, or for one role in two parts.
    """
    for name in (app, sequencer):
        if not _NAME.fullmatch(name):
            raise InputError(f"role {name!r}: lower case letters, digits and underscores, please")
    if app == sequencer:
        raise InputError("the two roles must be two")
    others = sorted(set(Base.metadata.tables) - {*EVENTS, *TREE})
    return [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {app}, {sequencer}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {app}, {sequencer}",
        f"GRANT USAGE ON SCHEMA public TO {app}, {sequencer}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(others)} TO {app}",
        f"GRANT SELECT, INSERT ON {', '.join(EVENTS)} TO {app}",
        f"GRANT SELECT ON {', '.join(TREE)}, alembic_version TO {app}",
        f"GRANT USAGE ON {_sequences([*others, *EVENTS])} TO {app}",
        f"GRANT SELECT ON {', '.join(EVENTS)} TO {sequencer}",
        f"GRANT SELECT, INSERT ON {', '.join(TREE)} TO {sequencer}",
        f"GRANT USAGE ON {_sequences(TREE)} TO {sequencer}",
    ]


def _sequences(tables: list[str] | tuple[str, ...]) -> str:
    return "SEQUENCE " + ", ".join(f"{table}_id_seq" for table in tables)
