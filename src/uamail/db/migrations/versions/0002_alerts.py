"""Alerts, their messages, the measures, and the indexes that both are read by."""

import sqlalchemy as sa
from alembic import op

from uamail.models.base import Id, Instant, Json

revision = "0002_alerts"
down_revision = "0001"
branch_labels = None
depends_on = None

_CAUSES = (
    "'relay', 'content', 'late', 'stalled_log', 'stuck_lane', 'uncertain', 'poison', 'batch_stuck', 'restored', 'disk'"
)


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", Id, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.CheckConstraint(f"cause IN ({_CAUSES})", name=op.f("ck_alert_cause_legal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    _partial("uq_alert_open", "alert", ["cause", "key"], "closed_at IS NULL", unique=True)
    op.create_index("ix_alert_place", "alert", ["cause", "key", "told_at"])
    op.create_table(
        "alert_message",
        sa.Column("id", Id, nullable=False),
        sa.Column("alert_id", Id, nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("hour", Instant(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("dropped_at", Instant(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.CheckConstraint("kind IN ('opened', 'closed', 'digest')", name=op.f("ck_alert_message_kind_legal")),
        sa.CheckConstraint("way IN ('mail', 'webhook')", name=op.f("ck_alert_message_way_legal")),
        sa.CheckConstraint("sent_at IS NULL OR dropped_at IS NULL", name=op.f("ck_alert_message_one_end")),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_message_alert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_message")),
        sa.UniqueConstraint(
            "kind",
            "cause",
            "key",
            "hour",
            "person",
            "way",
            name=op.f("uq_alert_message_kind_cause_key_hour_person_way"),
        ),
    )
    _partial("ix_alert_message_waiting", "alert_message", ["due_at", "id"], "sent_at IS NULL AND dropped_at IS NULL")
    op.create_index("ix_alert_message_alert", "alert_message", ["alert_id"])
    op.create_table(
        "alert_watch",
        sa.Column("id", Id, nullable=False),
        sa.Column("watched_at", Instant(), nullable=True),
        sa.Column("awake_since", Instant(), nullable=True),
        sa.Column("forecast_at", Instant(), nullable=True),
        sa.Column("digest_on", sa.Date(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_alert_watch_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_watch")),
    )
    op.create_table(
        "timing",
        sa.Column("id", Id, nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timing")),
        sa.UniqueConstraint("phase", "bucket", name=op.f("uq_timing_phase_bucket")),
    )
    op.create_table(
        "worker",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("name", name=op.f("uq_worker_name")),
    )
    _partial("ix_delivery_held", "delivery", ["reason", "action_id", "id"], "state = 'held'")
    deferred = "state = 'queued' AND attempts > 0"
    _partial("ix_delivery_deferred", "delivery", ["action_id", "recipient_key", "kind"], deferred)


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    raise NotImplementedError("the record is not taken back: restore a backup instead")
