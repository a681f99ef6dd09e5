"""Runs migrations on the connection that ``Database.migrate`` hands over."""

from alembic import context

from himmel.studio.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
