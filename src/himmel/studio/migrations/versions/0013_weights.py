"""The weights that each worker has, by their hash."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("weights", sa.String(40), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("workers", "weights")
