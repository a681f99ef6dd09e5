"""What keys may do, jobs asked for together, previews, characters; jobs are numbered within their account."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("suspended_at", sa.Float))
    with op.batch_alter_table("keys") as keys:
        keys.add_column(sa.Column("parent_id", sa.String(32)))
        for name in ("scopes", "models", "addresses"):
            keys.add_column(sa.Column(name, sa.JSON))
        for name in ("expires_at", "daily_seconds"):
            keys.add_column(sa.Column(name, sa.Float))
        keys.add_column(sa.Column("open_jobs", sa.Integer))
        keys.create_foreign_key("keys_parent", "keys", ["parent_id"], ["id"])
        keys.create_index("keys_of_account", ["account_id"])
        keys.create_index("keys_of_parent", ["parent_id"])
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("key_id", sa.String(32)))
        jobs.add_column(sa.Column("group_id", sa.String(40)))
        jobs.add_column(sa.Column("state_digest", sa.String(64)))
        jobs.add_column(sa.Column("lost", sa.Integer, nullable=False, server_default="0"))
        jobs.create_foreign_key("jobs_key", "keys", ["key_id"], ["id"])
        jobs.drop_index("jobs_number")
        jobs.create_index("jobs_number", ["account_id", "number"], unique=True)
        jobs.create_index("jobs_of_key", ["key_id", "created_at"])
        jobs.create_index("jobs_of_group", ["group_id"])
    with op.batch_alter_table("batches") as batches:
        batches.add_column(sa.Column("key_id", sa.String(32)))
        batches.create_foreign_key("batches_key", "keys", ["key_id"], ["id"])
    # Batches that are under way go on with the oldest key of their account.
    op.execute(
        "UPDATE batches SET key_id = (SELECT id FROM keys WHERE keys.account_id = batches.account_id "
        "AND keys.revoked_at IS NULL ORDER BY keys.created_at LIMIT 1)"
    )
    op.create_table(
        "previews",
        sa.Column("job_id", sa.String(40), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("picture", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "characters",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("characters")
    op.drop_table("previews")
    with op.batch_alter_table("batches") as batches:
        batches.drop_constraint("batches_key", type_="foreignkey")
        batches.drop_column("key_id")
    with op.batch_alter_table("jobs") as jobs:
        for index in ("jobs_of_group", "jobs_of_key", "jobs_number"):
            jobs.drop_index(index)
        jobs.drop_constraint("jobs_key", type_="foreignkey")
        jobs.drop_column("lost")
        jobs.drop_column("state_digest")
        jobs.drop_column("group_id")
        jobs.drop_column("key_id")
        jobs.create_index("jobs_number", ["number"])
    with op.batch_alter_table("keys") as keys:
        for index in ("keys_of_parent", "keys_of_account"):
            keys.drop_index(index)
        keys.drop_constraint("keys_parent", type_="foreignkey")
        for name in ("parent_id", "scopes", "models", "addresses", "expires_at", "daily_seconds", "open_jobs"):
            keys.drop_column(name)
    op.drop_column("accounts", "suspended_at")
