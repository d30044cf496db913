"""Pacing: turns of actions in a lane, caps and easing of limits; the claim's index goes by action."""

import sqlalchemy as sa
from alembic import op

from uamail.models.base import Id, Instant

revision = "0002_pacing"
down_revision = "0001"
branch_labels = None
depends_on = None

_QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    op.create_table(
        "lane_turn",
        sa.Column("id", Id, nullable=False),
        sa.Column("lane_id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=False),
        sa.Column("cursor_due_at", Instant(), nullable=False),
        sa.Column("cursor_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["lane_id"], ["lane.id"], name=op.f("fk_lane_turn_lane_id")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_lane_turn_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane_turn")),
        sa.UniqueConstraint("lane_id", "action_id", name=op.f("uq_lane_turn_lane_id_action_id")),
    )
    with op.batch_alter_table("lane") as batch:
        batch.add_column(sa.Column("looked_until", Instant(), nullable=True))
        batch.add_column(sa.Column("waits_why", sa.String(), nullable=True))
        batch.add_column(sa.Column("waits_until", Instant(), nullable=True))
        for name in ("tried", "deferred", "refused"):
            batch.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("pacing_limit") as batch:
        batch.add_column(sa.Column("lifetime_cap", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("sent", sa.BigInteger(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("day", sa.String(), nullable=True))
        batch.add_column(sa.Column("day_sent", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("factor", sa.Integer(), nullable=False, server_default="1000"))
        batch.add_column(sa.Column("eased_at", Instant(), nullable=True))
    op.drop_index("ix_delivery_claim", table_name="delivery")
    op.create_index(
        "ix_delivery_claim",
        "delivery",
        ["lane_id", "action_id", "due_at", "id"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )


def downgrade() -> None:
    raise NotImplementedError("the record is not taken back: restore a backup instead")
