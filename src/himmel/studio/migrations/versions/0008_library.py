"""Stars and folders."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "folders",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("folders_by_name", "folders", ["account_id", "name"], unique=True)
    op.create_table(
        "shelf",
        sa.Column("job_id", sa.String(40), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("starred_at", sa.Float),
        sa.Column("folder_id", sa.String(32), sa.ForeignKey("folders.id"), index=True),
    )


def downgrade() -> None:
    op.drop_table("shelf")
    op.drop_table("folders")
