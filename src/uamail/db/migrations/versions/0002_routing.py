"""Routing by sets: cheaper checks and narrower indexes of deliveries, and a mark for withdrawn appeals to be swept."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0002_routing"
down_revision = "0001"
branch_labels = None
depends_on = None

# Name, columns and the rows each index of deliveries holds from now on.
INDEXES = (
    ("ix_delivery_claim", ["lane_id", "due_at", "id"], "state = 'queued' AND lane_id IS NOT NULL"),
    ("ix_delivery_batching", ["address_id", "id"], "state = 'queued' AND channel = 'print'"),
    ("ix_delivery_batch", ["batch_id"], "batch_id IS NOT NULL"),
    ("ix_delivery_release", ["release_id"], "release_id IS NOT NULL"),
)
NEW = (
    ("ix_delivery_deadline", ["not_after", "id"], "state = 'queued' AND not_after IS NOT NULL"),
    ("ix_delivery_again", ["revision_id", "id"], "state = 'queued' AND attempts > 0"),
)


def upgrade() -> None:
    op.add_column("appeal", sa.Column("watched", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE appeal SET watched = true WHERE state = 'withdrawn'"))
    # SQLite has no booleans and did not see `touched = 1` in an index of `touched`.
    op.drop_index("ix_appeal_touched", table_name="appeal")
    for column in ("touched", "watched"):
        _index("appeal", f"ix_appeal_{column}", ["id"], column, sqlite=f"{column} = 1")
    for name, _, _ in INDEXES:
        op.drop_index(name, table_name="delivery")
    for name, columns, rows in (*INDEXES, *NEW):
        _index("delivery", name, columns, rows)
    if op.get_bind().dialect.name == "sqlite":
        _rewrite_checks()


def _index(table: str, name: str, columns: list[str], rows: str, *, sqlite: str | None = None) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(sqlite or rows), postgresql_where=sa.text(rows))


def _rewrite_checks() -> None:
    """The same checks as chains of comparisons: SQLite looks an IN list up in a tree, for every row.

    What a check says is no part of the data, so the table need not be copied (sqlite.org/lang_altertable.html, 7).
    """
    connection = op.get_bind()
    old = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'delivery'")).scalar_one()
    new = re.sub(r"(\w+) IN \(([^()]*)\)", _chain, old)
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(sa.text("UPDATE sqlite_master SET sql = :sql WHERE name = 'delivery'"), {"sql": new})
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))


def _chain(found: re.Match[str]) -> str:
    column, words = found.groups()
    return " OR ".join(f"{column} = {word.strip()}" for word in words.split(","))
