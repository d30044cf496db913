"""The database: one way to open it, one way to commit, and its migrations."""

from uamail.db.session import Database, now

__all__ = ["Database", "now"]
