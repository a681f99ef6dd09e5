"""Limits of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("open_jobs", sa.Integer))
    op.add_column("accounts", sa.Column("daily_seconds", sa.Float))


def downgrade() -> None:
    op.drop_column("accounts", "daily_seconds")
    op.drop_column("accounts", "open_jobs")
