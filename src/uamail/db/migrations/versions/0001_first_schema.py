"""The first schema."""

import sqlalchemy as sa
from alembic import op

from uamail.db import immutable
from uamail.models.base import Id, Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "action",
        sa.Column("id", Id, nullable=False),
        sa.Column("ua", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("closed_reason", sa.String(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("mode = 'individual' OR mode = 'petition'", name=op.f("ck_action_mode_legal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action")),
        sa.UniqueConstraint("ua", "ordinal", name=op.f("uq_action_ua_ordinal")),
    )
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
        sa.CheckConstraint(
            "cause = 'relay' OR cause = 'content' OR cause = 'late' OR cause = 'stalled_log' OR cause = 'stuck_lane' OR cause = 'uncertain' OR cause = 'poison' OR cause = 'batch_stuck' OR cause = 'restored' OR cause = 'disk'",
            name=op.f("ck_alert_cause_legal"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.create_index("ix_alert_place", ["cause", "key", "told_at"], unique=False)
        batch_op.create_index(
            "uq_alert_open",
            ["cause", "key"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

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
        "audit_anchor",
        sa.Column("id", Id, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.CheckConstraint("kind = 'cosignature' OR kind = 'timestamp'", name=op.f("ck_audit_anchor_kind_legal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_anchor")),
        sa.UniqueConstraint("size", "kind", "name", name=op.f("uq_audit_anchor_size_kind_name")),
    )
    op.create_table(
        "audit_node",
        sa.Column("id", Id, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_node")),
        sa.UniqueConstraint("level", "position", name=op.f("uq_audit_node_level_position")),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("id", Id, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_checkpoint")),
        sa.UniqueConstraint("size", name=op.f("uq_audit_checkpoint_size")),
    )
    op.create_table(
        "audit_event",
        sa.Column("id", Id, nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index("ix_audit_event_type", ["type", "id"], unique=False)

    op.create_table(
        "hold",
        sa.Column("id", Id, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.Column("lifted_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "scope = 'action' OR scope = 'target' OR scope = 'mailbox' OR scope = 'number' OR scope = 'fax' OR scope = 'domain' OR scope = 'relay' OR scope = 'office' OR scope = 'all'",
            name=op.f("ck_hold_scope_legal"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index(
            "uq_hold_active",
            ["scope", "key"],
            unique=True,
            sqlite_where=sa.text("lifted_at IS NULL"),
            postgresql_where=sa.text("lifted_at IS NULL"),
        )

    op.create_table(
        "lane",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("nudged_until", Instant(), nullable=True),
        sa.Column("looked_until", Instant(), nullable=True),
        sa.Column("waits_why", sa.String(), nullable=True),
        sa.Column("waits_until", Instant(), nullable=True),
        sa.Column("tried", sa.BigInteger(), nullable=False),
        sa.Column("deferred", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind = 'mailbox' OR kind = 'domain' OR kind = 'fax'", name=op.f("ck_lane_kind_legal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane")),
        sa.UniqueConstraint("key", name=op.f("uq_lane_key")),
    )
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
        "office",
        sa.Column("id", Id, nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("return_address", Json, nullable=False),
        sa.Column("reply_to", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("languages", Json, nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_office")),
        sa.UniqueConstraint("country", name=op.f("uq_office_country")),
    )
    op.create_table(
        "operator",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("offices", Json, nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("key_hash", sa.String(), nullable=True),
        sa.Column("totp_wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("disabled_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "role = 'operator' OR role = 'releaser' OR role = 'auditor' OR role = 'admin'",
            name=op.f("ck_operator_role_legal"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator")),
        sa.UniqueConstraint("name", name=op.f("uq_operator_name")),
    )
    op.create_table(
        "pacing_limit",
        sa.Column("id", Id, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("burst", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("period_seconds", sa.Integer(), nullable=False),
        sa.Column("arrival_us", sa.BigInteger(), nullable=False),
        sa.Column("window", Json, nullable=True),
        sa.Column("daily_cap", sa.Integer(), nullable=True),
        sa.Column("lifetime_cap", sa.Integer(), nullable=True),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.String(), nullable=True),
        sa.Column("day_sent", sa.Integer(), nullable=False),
        sa.Column("factor", sa.Integer(), nullable=False),
        sa.Column("eased_at", Instant(), nullable=True),
        sa.Column("paused_until", Instant(), nullable=True),
        sa.Column("paused_why", sa.String(), nullable=True),
        sa.CheckConstraint(
            "scope = 'mailbox' OR scope = 'domain' OR scope = 'number' OR scope = 'fax' OR scope = 'relay' OR scope = 'all'",
            name=op.f("ck_pacing_limit_scope_legal"),
        ),
        sa.CheckConstraint("burst > 0 AND count > 0 AND period_seconds > 0", name=op.f("ck_pacing_limit_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pacing_limit")),
        sa.UniqueConstraint("scope", "key", name=op.f("uq_pacing_limit_scope_key")),
    )
    op.create_table(
        "relay",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("paused_until", Instant(), nullable=True),
        sa.Column("paused_why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relay")),
        sa.UniqueConstraint("name", name=op.f("uq_relay_name")),
    )
    op.create_table(
        "signer",
        sa.Column("id", Id, nullable=False),
        sa.Column("lookup", sa.LargeBinary(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("contact", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("erased_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signer")),
        sa.UniqueConstraint("lookup", name=op.f("uq_signer_lookup")),
    )
    op.create_table(
        "suppression",
        sa.Column("id", Id, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("lookup", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.Column("lifted_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
    )
    with op.batch_alter_table("suppression", schema=None) as batch_op:
        batch_op.create_index(
            "uq_suppression_active",
            ["channel", "lookup"],
            unique=True,
            sqlite_where=sa.text("lifted_at IS NULL"),
            postgresql_where=sa.text("lifted_at IS NULL"),
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
        "tombstone",
        sa.Column("id", Id, nullable=False),
        sa.Column("lookup", sa.LargeBinary(), nullable=False),
        sa.Column("erased_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstone")),
        sa.UniqueConstraint("lookup", name=op.f("uq_tombstone_lookup")),
    )
    op.create_table(
        "worker",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("name", name=op.f("uq_worker_name")),
    )
    op.create_table(
        "action_revision",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("index_number", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("issued", sa.Date(), nullable=False),
        sa.Column("deadline_at", Instant(), nullable=True),
        sa.Column("content", Json, nullable=False),
        sa.Column("added_at", Instant(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_action_revision_number_positive")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_action_revision_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_revision")),
        sa.UniqueConstraint("action_id", "number", name=op.f("uq_action_revision_action_id_number")),
        sa.UniqueConstraint("action_id", "sha256", name=op.f("uq_action_revision_action_id_sha256")),
    )
    op.create_table(
        "address",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("postcode", sa.String(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("suspect_at", Instant(), nullable=True),
        sa.CheckConstraint("version > 0", name=op.f("ck_address_version_positive")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_address_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
        sa.UniqueConstraint("action_id", "key", "version", name=op.f("uq_address_action_id_key_version")),
    )
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
        sa.CheckConstraint(
            "kind = 'opened' OR kind = 'closed' OR kind = 'digest'", name=op.f("ck_alert_message_kind_legal")
        ),
        sa.CheckConstraint("way = 'mail' OR way = 'webhook'", name=op.f("ck_alert_message_way_legal")),
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
    with op.batch_alter_table("alert_message", schema=None) as batch_op:
        batch_op.create_index("ix_alert_message_alert", ["alert_id"], unique=False)
        batch_op.create_index(
            "ix_alert_message_waiting",
            ["due_at", "id"],
            unique=False,
            sqlite_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
            postgresql_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
        )

    op.create_table(
        "audit_leaf",
        sa.Column("id", Id, nullable=False),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"], name=op.f("fk_audit_leaf_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_leaf")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_leaf_event_id")),
    )
    op.create_table(
        "audit_span",
        sa.Column("id", Id, nullable=False),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"], name=op.f("fk_audit_span_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_span")),
    )
    with op.batch_alter_table("audit_span", schema=None) as batch_op:
        batch_op.create_index("ix_audit_span_event", ["event_id"], unique=False)
        batch_op.create_index("ix_audit_span_member", ["subject", "first_id", "last_id"], unique=False)

    op.create_table(
        "counter",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("recipient_key", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_counter_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter")),
        sa.UniqueConstraint(
            "action_id",
            "kind",
            "recipient_key",
            "channel",
            "state",
            name=op.f("uq_counter_action_id_kind_recipient_key_channel_state"),
        ),
    )
    op.create_table(
        "import_run",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("file_sha256", sa.String(), nullable=False),
        sa.Column("encoding", sa.String(), nullable=False),
        sa.Column("delimiter", sa.String(), nullable=False),
        sa.Column("consent_wording", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("next_ordinal", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("identical", sa.Integer(), nullable=False),
        sa.Column("conflicting", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.CheckConstraint("state = 'running' OR state = 'finished'", name=op.f("ck_import_run_state_legal")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_import_run_action_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
        sa.UniqueConstraint(
            "action_id",
            "source",
            "file_sha256",
            "number",
            name=op.f("uq_import_run_action_id_source_file_sha256_number"),
        ),
    )
    op.create_table(
        "lane_turn",
        sa.Column("id", Id, nullable=False),
        sa.Column("lane_id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=False),
        sa.Column("cursor_due_at", Instant(), nullable=False),
        sa.Column("cursor_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_lane_turn_action_id")),
        sa.ForeignKeyConstraint(["lane_id"], ["lane.id"], name=op.f("fk_lane_turn_lane_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane_turn")),
        sa.UniqueConstraint("lane_id", "action_id", name=op.f("uq_lane_turn_lane_id_action_id")),
    )
    op.create_table(
        "address_lines",
        sa.Column("id", Id, nullable=False),
        sa.Column("address_id", Id, nullable=False),
        sa.Column("script", sa.String(), nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_address_lines_address_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_lines")),
        sa.UniqueConstraint("address_id", "script", name=op.f("uq_address_lines_address_id_script")),
    )
    op.create_table(
        "appeal",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("revision_id", Id, nullable=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("signer_id", Id, nullable=False),
        sa.Column("import_id", Id, nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("content_mac", sa.LargeBinary(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("disclosure", sa.String(), nullable=False),
        sa.Column("consent", sa.Boolean(), nullable=False),
        sa.Column("reply_consent", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("signed_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("routed_at", Instant(), nullable=True),
        sa.Column("withdrawn_at", Instant(), nullable=True),
        sa.Column("touched", sa.Boolean(), nullable=False),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "disclosure = 'none' OR disclosure = 'initials' OR disclosure = 'name' OR disclosure = 'town' OR disclosure = 'address'",
            name=op.f("ck_appeal_disclosure_legal"),
        ),
        sa.CheckConstraint(
            "origin = 'model' OR origin = 'edited' OR origin = 'own'", name=op.f("ck_appeal_origin_legal")
        ),
        sa.CheckConstraint(
            "state = 'unconfirmed' OR state = 'received' OR state = 'withdrawn' OR state = 'expired' OR state = 'erased'",
            name=op.f("ck_appeal_state_legal"),
        ),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_appeal_action_id")),
        sa.ForeignKeyConstraint(["import_id"], ["import_run.id"], name=op.f("fk_appeal_import_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_appeal_office_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["action_revision.id"], name=op.f("fk_appeal_revision_id")),
        sa.ForeignKeyConstraint(["signer_id"], ["signer.id"], name=op.f("fk_appeal_signer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint("action_id", "source", "external_id", name=op.f("uq_appeal_action_id_source_external_id")),
    )
    with op.batch_alter_table("appeal", schema=None) as batch_op:
        batch_op.create_index("ix_appeal_action_state", ["action_id", "state", "id"], unique=False)
        batch_op.create_index("ix_appeal_signer", ["signer_id"], unique=False)
        batch_op.create_index(
            "ix_appeal_touched",
            ["id"],
            unique=False,
            sqlite_where=sa.text("touched = 1"),
            postgresql_where=sa.text("touched"),
        )
        batch_op.create_index(
            "ix_appeal_unrouted",
            ["id"],
            unique=False,
            sqlite_where=sa.text("routed_at IS NULL AND state = 'received'"),
            postgresql_where=sa.text("routed_at IS NULL AND state = 'received'"),
        )
        batch_op.create_index(
            "ix_appeal_watched",
            ["id"],
            unique=False,
            sqlite_where=sa.text("watched = 1"),
            postgresql_where=sa.text("watched"),
        )

    op.create_table(
        "model_letter",
        sa.Column("id", Id, nullable=False),
        sa.Column("revision_id", Id, nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("paragraphs", Json, nullable=False),
        sa.Column("demands", Json, nullable=False),
        sa.Column("closing", sa.String(), nullable=False),
        sa.Column("review", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.CheckConstraint("review = 'draft' OR review = 'approved'", name=op.f("ck_model_letter_review_legal")),
        sa.ForeignKeyConstraint(["revision_id"], ["action_revision.id"], name=op.f("fk_model_letter_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_letter")),
        sa.UniqueConstraint("revision_id", "language", name=op.f("uq_model_letter_revision_id_language")),
    )
    op.create_table(
        "release",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("revision_id", Id, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("standing_until", Instant(), nullable=True),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("preview_sha256", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "state = 'requested' OR state = 'approved' OR state = 'revoked'", name=op.f("ck_release_state_legal")
        ),
        sa.CheckConstraint("approved_by IS NULL OR approved_at IS NOT NULL", name=op.f("ck_release_approval_whole")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_release_action_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["action_revision.id"], name=op.f("fk_release_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
    )
    with op.batch_alter_table("release", schema=None) as batch_op:
        batch_op.create_index("ix_release_action", ["action_id", "channel"], unique=False)

    op.create_table(
        "target",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("revision_id", Id, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("address_id", Id, nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("lane_id", Id, nullable=True),
        sa.Column("fax", sa.String(), nullable=True),
        sa.Column("fax_lane_id", Id, nullable=True),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("disclosure_cap", sa.String(), nullable=False),
        sa.Column("reply_allowed", sa.Boolean(), nullable=False),
        sa.Column("channels", Json, nullable=False),
        sa.Column("mail", sa.String(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("copy_for", Json, nullable=False),
        sa.Column("joint", sa.String(), nullable=True),
        sa.Column("name", Json, nullable=False),
        sa.Column("role", Json, nullable=False),
        sa.Column("salutation", Json, nullable=False),
        sa.CheckConstraint(
            "kind = 'primary' OR kind = 'additional' OR kind = 'copy'", name=op.f("ck_target_kind_legal")
        ),
        sa.CheckConstraint("mail = 'single' OR mail = 'digest'", name=op.f("ck_target_mail_legal")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_target_action_id")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_target_address_id")),
        sa.ForeignKeyConstraint(["fax_lane_id"], ["lane.id"], name=op.f("fk_target_fax_lane_id")),
        sa.ForeignKeyConstraint(["lane_id"], ["lane.id"], name=op.f("fk_target_lane_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["action_revision.id"], name=op.f("fk_target_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target")),
        sa.UniqueConstraint("revision_id", "key", name=op.f("uq_target_revision_id_key")),
    )
    op.create_table(
        "petition_run",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("revision_id", Id, nullable=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("target_id", Id, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("signatures", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("frozen_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_petition_run_action_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_petition_run_office_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["action_revision.id"], name=op.f("fk_petition_run_revision_id")),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name=op.f("fk_petition_run_target_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_petition_run")),
        sa.UniqueConstraint(
            "target_id",
            "revision_id",
            "office_id",
            "day",
            "part",
            name=op.f("uq_petition_run_target_id_revision_id_office_id_day_part"),
        ),
    )
    op.create_table(
        "batch",
        sa.Column("id", Id, nullable=False),
        sa.Column("parent_id", Id, nullable=True),
        sa.Column("reprint", sa.Integer(), nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("address_id", Id, nullable=False),
        sa.Column("release_id", Id, nullable=True),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("dx", sa.Double(), nullable=False),
        sa.Column("dy", sa.Double(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("checked_at", Instant(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("sheets", sa.Integer(), nullable=True),
        sa.Column("weight_mg", sa.Integer(), nullable=True),
        sa.Column("pdf_sha256", sa.String(), nullable=True),
        sa.Column("manifest_sha256", sa.String(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "mode = 'individual' OR mode = 'bundle' OR mode = 'hand-delivery'", name=op.f("ck_batch_mode_legal")
        ),
        sa.CheckConstraint(
            "state = 'open' OR state = 'sealed' OR state = 'rendered' OR state = 'approved' OR state = 'released' OR state = 'printed' OR state = 'posted' OR state = 'cancelled'",
            name=op.f("ck_batch_state_legal"),
        ),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_batch_action_id")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_batch_address_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_batch_office_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["batch.id"], name=op.f("fk_batch_parent_id")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_batch_release_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index("ix_batch_state", ["state", "id"], unique=False)
        batch_op.create_index(
            "uq_batch_open",
            ["office_id", "address_id", "profile", "action_id"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "exclusion",
        sa.Column("id", Id, nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("appeal_id", Id, nullable=False),
        sa.Column("recipient_key", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.CheckConstraint(
            "reason = 'sender_country' OR reason = 'no_consent' OR reason = 'petition_run'",
            name=op.f("ck_exclusion_reason_legal"),
        ),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_exclusion_action_id")),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeal.id"], name=op.f("fk_exclusion_appeal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusion")),
    )
    with op.batch_alter_table("exclusion", schema=None) as batch_op:
        batch_op.create_index("ix_exclusion_action", ["action_id", "recipient_key", "channel", "reason"], unique=False)
        batch_op.create_index("uq_exclusion", ["appeal_id", "recipient_key", "channel"], unique=True)

    op.create_table(
        "vault_item",
        sa.Column("id", Id, nullable=False),
        sa.Column("signer_id", Id, nullable=False),
        sa.Column("appeal_id", Id, nullable=True),
        sa.Column("event_id", Id, nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "kind = 'identity' OR kind = 'body' OR kind = 'opening'", name=op.f("ck_vault_item_kind_legal")
        ),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeal.id"], name=op.f("fk_vault_item_appeal_id")),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"], name=op.f("fk_vault_item_event_id")),
        sa.ForeignKeyConstraint(["signer_id"], ["signer.id"], name=op.f("fk_vault_item_signer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_item")),
    )
    with op.batch_alter_table("vault_item", schema=None) as batch_op:
        batch_op.create_index("ix_vault_item_appeal", ["appeal_id"], unique=False)
        batch_op.create_index("ix_vault_item_event", ["event_id"], unique=False)
        batch_op.create_index("ix_vault_item_signer", ["signer_id", "kind"], unique=False)

    op.create_table(
        "batch_file",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("stored_as", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_file_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_file")),
        sa.UniqueConstraint("batch_id", "name", name=op.f("uq_batch_file_batch_id_name")),
    )
    op.create_table(
        "posting",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("posted_by", sa.String(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("proof", sa.String(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("stored_as", sa.String(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "proof IS NULL OR proof = 'photo' OR proof = 'franking' OR proof = 'receipt'",
            name=op.f("ck_posting_proof_legal"),
        ),
        sa.CheckConstraint("(proof IS NULL) = (sha256 IS NULL)", name=op.f("ck_posting_proof_whole")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_posting_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting")),
    )
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.create_index("ix_posting_batch", ["batch_id"], unique=False)

    op.create_table(
        "delivery",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("action_id", Id, nullable=False),
        sa.Column("revision_id", Id, nullable=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("appeal_id", Id, nullable=True),
        sa.Column("run_id", Id, nullable=True),
        sa.Column("target_id", Id, nullable=True),
        sa.Column("recipient_key", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("occasion", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("not_after", Instant(), nullable=True),
        sa.Column("lane_id", Id, nullable=True),
        sa.Column("address_id", Id, nullable=True),
        sa.Column("batch_id", Id, nullable=True),
        sa.Column("carrier_id", Id, nullable=True),
        sa.Column("release_id", Id, nullable=True),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "(state = 'claimed') = (lease_until IS NOT NULL)", name=op.f("ck_delivery_lease_when_claimed")
        ),
        sa.CheckConstraint(
            "(state IN ('held', 'suppressed')) = (reason IS NOT NULL)", name=op.f("ck_delivery_reason_when_stopped")
        ),
        sa.CheckConstraint(
            "channel = 'mail' OR channel = 'print' OR channel = 'fax'", name=op.f("ck_delivery_channel_legal")
        ),
        sa.CheckConstraint(
            "kind = 'appeal' OR kind = 'copy' OR kind = 'petition' OR kind = 'confirm' OR kind = 'receipt' OR kind = 'notice'",
            name=op.f("ck_delivery_kind_legal"),
        ),
        sa.CheckConstraint(
            "state = 'queued' OR state = 'held' OR state = 'suppressed' OR state = 'claimed' OR state = 'uncertain' OR state = 'accepted' OR state = 'refused' OR state = 'bounced' OR state = 'batched' OR state = 'posted' OR state = 'returned' OR state = 'expired' OR state = 'withdrawn' OR state = 'cancelled'",
            name=op.f("ck_delivery_state_legal"),
        ),
        sa.CheckConstraint("(appeal_id IS NULL) <> (run_id IS NULL)", name=op.f("ck_delivery_one_origin")),
        sa.ForeignKeyConstraint(["action_id"], ["action.id"], name=op.f("fk_delivery_action_id")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_delivery_address_id")),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeal.id"], name=op.f("fk_delivery_appeal_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_delivery_batch_id")),
        sa.ForeignKeyConstraint(["carrier_id"], ["delivery.id"], name=op.f("fk_delivery_carrier_id")),
        sa.ForeignKeyConstraint(["lane_id"], ["lane.id"], name=op.f("fk_delivery_lane_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_delivery_office_id")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_delivery_release_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["action_revision.id"], name=op.f("fk_delivery_revision_id")),
        sa.ForeignKeyConstraint(["run_id"], ["petition_run.id"], name=op.f("fk_delivery_run_id")),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], name=op.f("fk_delivery_target_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_action_state", ["action_id", "state", "id"], unique=False)
        batch_op.create_index(
            "ix_delivery_again",
            ["revision_id", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' AND attempts > 0"),
            postgresql_where=sa.text("state = 'queued' AND attempts > 0"),
        )
        batch_op.create_index(
            "ix_delivery_batch",
            ["batch_id"],
            unique=False,
            sqlite_where=sa.text("batch_id IS NOT NULL"),
            postgresql_where=sa.text("batch_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_batching",
            ["address_id", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' AND channel = 'print'"),
            postgresql_where=sa.text("state = 'queued' AND channel = 'print'"),
        )
        batch_op.create_index(
            "ix_delivery_carrier",
            ["carrier_id", "id"],
            unique=False,
            sqlite_where=sa.text("carrier_id IS NOT NULL"),
            postgresql_where=sa.text("carrier_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_claim",
            ["lane_id", "action_id", "due_at", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' AND lane_id IS NOT NULL"),
            postgresql_where=sa.text("state = 'queued' AND lane_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_deadline",
            ["not_after", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' AND not_after IS NOT NULL"),
            postgresql_where=sa.text("state = 'queued' AND not_after IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_deferred",
            ["action_id", "recipient_key", "kind"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' AND attempts > 0"),
            postgresql_where=sa.text("state = 'queued' AND attempts > 0"),
        )
        batch_op.create_index(
            "ix_delivery_gathering",
            ["target_id", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' AND channel = 'mail' AND lane_id IS NULL"),
            postgresql_where=sa.text("state = 'queued' AND channel = 'mail' AND lane_id IS NULL"),
        )
        batch_op.create_index(
            "ix_delivery_held",
            ["reason", "action_id", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        )
        batch_op.create_index(
            "ix_delivery_lease",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("state = 'claimed'"),
            postgresql_where=sa.text("state = 'claimed'"),
        )
        batch_op.create_index(
            "ix_delivery_release",
            ["release_id"],
            unique=False,
            sqlite_where=sa.text("release_id IS NOT NULL"),
            postgresql_where=sa.text("release_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_uncertain",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'uncertain'"),
            postgresql_where=sa.text("state = 'uncertain'"),
        )
        batch_op.create_index(
            "uq_delivery_appeal",
            ["kind", "appeal_id", "recipient_key", "channel", "occasion"],
            unique=True,
            sqlite_where=sa.text("appeal_id IS NOT NULL"),
            postgresql_where=sa.text("appeal_id IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_delivery_run",
            ["kind", "run_id", "recipient_key", "channel", "occasion"],
            unique=True,
            sqlite_where=sa.text("run_id IS NOT NULL"),
            postgresql_where=sa.text("run_id IS NOT NULL"),
        )

    op.create_table(
        "attempt",
        sa.Column("id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("relay_id", Id, nullable=True),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("data_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("enhanced_code", sa.String(), nullable=True),
        sa.Column("reply_text", sa.String(), nullable=True),
        sa.Column("queue_id", sa.String(), nullable=True),
        sa.Column("tls", sa.String(), nullable=True),
        sa.Column("commitment", sa.String(), nullable=True),
        sa.Column("opening", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "outcome = 'accepted' OR outcome = 'deferred' OR outcome = 'refused' OR outcome = 'uncertain' OR outcome = 'unsent'",
            name=op.f("ck_attempt_outcome_legal"),
        ),
        sa.CheckConstraint("(finished_at IS NULL) = (outcome IS NULL)", name=op.f("ck_attempt_outcome_when_finished")),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_attempt_delivery_id")),
        sa.ForeignKeyConstraint(["relay_id"], ["relay.id"], name=op.f("fk_attempt_relay_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("delivery_id", "number", name=op.f("uq_attempt_delivery_id_number")),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempt_message_id"), ["message_id"], unique=False)
        batch_op.create_index(
            "uq_attempt_open",
            ["delivery_id"],
            unique=True,
            sqlite_where=sa.text("finished_at IS NULL"),
            postgresql_where=sa.text("finished_at IS NULL"),
        )

    op.create_table(
        "incoming",
        sa.Column("id", Id, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("delivery_id", Id, nullable=True),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("diagnostic", sa.String(), nullable=True),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("formal", sa.Boolean(), nullable=False),
        sa.Column("signer_id", Id, nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("box", sa.LargeBinary(), nullable=True),
        sa.Column("settled_as", sa.String(), nullable=True),
        sa.Column("settled_by", sa.String(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "(state = 'settled') = (settled_as IS NOT NULL)", name=op.f("ck_incoming_verdict_when_settled")
        ),
        sa.CheckConstraint(
            "kind = 'bounce' OR kind = 'delay' OR kind = 'delivered' OR kind = 'relayed' OR kind = 'complaint' OR kind = 'autoreply' OR kind = 'challenge' OR kind = 'answer' OR kind = 'unknown'",
            name=op.f("ck_incoming_kind_legal"),
        ),
        sa.CheckConstraint(
            "settled_as = 'bounced' OR settled_as = 'answer' OR settled_as = 'nothing'",
            name=op.f("ck_incoming_settled_as_legal"),
        ),
        sa.CheckConstraint(
            "source = 'maildir' OR source = 'imap' OR source = 'lmtp' OR source = 'pipe' OR source = 'file' OR source = 'ses' OR source = 'mailgun' OR source = 'postmark'",
            name=op.f("ck_incoming_source_legal"),
        ),
        sa.CheckConstraint(
            "state = 'new' OR state = 'matched' OR state = 'ignored' OR state = 'waiting' OR state = 'settled'",
            name=op.f("ck_incoming_state_legal"),
        ),
        sa.CheckConstraint(
            "box IS NULL OR signer_id IS NOT NULL OR wrapped_key IS NOT NULL", name=op.f("ck_incoming_box_has_key")
        ),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_incoming_delivery_id")),
        sa.ForeignKeyConstraint(["signer_id"], ["signer.id"], name=op.f("fk_incoming_signer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming")),
        sa.UniqueConstraint("source", "key", name=op.f("uq_incoming_source_key")),
    )
    with op.batch_alter_table("incoming", schema=None) as batch_op:
        batch_op.create_index("ix_incoming_delivery", ["delivery_id"], unique=False)
        batch_op.create_index("ix_incoming_state", ["state", "id"], unique=False)

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

    op.create_table(
        "fax_result",
        sa.Column("id", Id, nullable=False),
        sa.Column("attempt_id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("lane_id", Id, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("read_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "status = 'sent' OR status = 'failed' OR status = 'busy'", name=op.f("ck_fax_result_status_legal")
        ),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_fax_result_attempt_id")),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_fax_result_delivery_id")),
        sa.ForeignKeyConstraint(["lane_id"], ["lane.id"], name=op.f("fk_fax_result_lane_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fax_result")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_fax_result_attempt_id")),
    )
    with op.batch_alter_table("fax_result", schema=None) as batch_op:
        batch_op.create_index("ix_fax_result_delivery", ["delivery_id", "status"], unique=False)
        batch_op.create_index("ix_fax_result_lane", ["lane_id", "id"], unique=False)

    op.create_table(
        "piece",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("recipient_key", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("first_page", sa.Integer(), nullable=True),
        sa.Column("last_page", sa.Integer(), nullable=True),
        sa.Column("commitment", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state = 'printed' OR state = 'held' OR state = 'damaged' OR state = 'posted' OR state = 'returned' OR state = 'removed'",
            name=op.f("ck_piece_state_legal"),
        ),
        sa.CheckConstraint("last_page IS NULL OR last_page >= first_page", name=op.f("ck_piece_page_order")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_piece_batch_id")),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_piece_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_piece")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_piece_batch_id_number")),
    )
    with op.batch_alter_table("piece", schema=None) as batch_op:
        batch_op.create_index(
            "uq_piece_delivery",
            ["delivery_id"],
            unique=True,
            sqlite_where=sa.text("state NOT IN ('held', 'damaged', 'removed')"),
            postgresql_where=sa.text("state NOT IN ('held', 'damaged', 'removed')"),
        )

    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in immutable.sqlite_statements() if sqlite else immutable.postgres_statements():
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the record is not taken back: restore a backup instead")
