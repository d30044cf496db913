"""The opening of an attempt's commitment moves from the vault's table to the attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0002_journal"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempt", sa.Column("opening", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempt", "opening")
