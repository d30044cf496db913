"""What a relay's log has told about letters."""

import sqlalchemy as sa
from alembic import op

from uamail.models.base import Id, Instant, Json

revision = "0002_maillog"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_read",
        sa.Column("id", Id, nullable=False),
        sa.Column("head", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("spans", Json, nullable=False),
        sa.Column("read_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_read")),
        sa.UniqueConstraint("head", name=op.f("uq_log_read_head")),
    )
    op.create_table(
        "log_trace",
        sa.Column("id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("queue_id", sa.String(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("queued_at", Instant(), nullable=True),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("status_at", Instant(), nullable=True),
        sa.Column("dsn", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_log_trace_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_trace")),
        sa.UniqueConstraint("delivery_id", "queue_id", name=op.f("uq_log_trace_delivery_id_queue_id")),
    )
    with op.batch_alter_table("log_trace", schema=None) as batch_op:
        batch_op.create_index("ix_log_trace_closed", ["closed", "seen_at"], unique=False)
    uncertain = sa.text("state = 'uncertain'")
    op.create_index(
        "ix_delivery_uncertain", "delivery", ["id"], sqlite_where=uncertain, postgresql_where=uncertain
    )


def downgrade() -> None:
    op.drop_index("ix_delivery_uncertain", "delivery")
    op.drop_table("log_trace")
    op.drop_table("log_read")
