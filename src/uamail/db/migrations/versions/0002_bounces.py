"""What comes back by mail."""

import sqlalchemy as sa
from alembic import op

from uamail.models.base import Id, Instant

revision = "0002_bounces"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
            "source IN ('maildir', 'imap', 'lmtp', 'pipe', 'file', 'ses', 'mailgun', 'postmark')",
            name=op.f("ck_incoming_source_legal"),
        ),
        sa.CheckConstraint(
            "kind IN ('bounce', 'delay', 'delivered', 'relayed', 'complaint', 'autoreply', 'challenge', 'answer', "
            "'unknown')",
            name=op.f("ck_incoming_kind_legal"),
        ),
        sa.CheckConstraint(
            "state IN ('new', 'matched', 'ignored', 'waiting', 'settled')", name=op.f("ck_incoming_state_legal")
        ),
        sa.CheckConstraint(
            "settled_as IN ('bounced', 'answer', 'nothing')", name=op.f("ck_incoming_settled_as_legal")
        ),
        sa.CheckConstraint(
            "(state = 'settled') = (settled_as IS NOT NULL)", name=op.f("ck_incoming_verdict_when_settled")
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
        batch_op.create_index("ix_incoming_state", ["state", "id"], unique=False)
        batch_op.create_index("ix_incoming_delivery", ["delivery_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("the record is not taken back: restore a backup instead")
