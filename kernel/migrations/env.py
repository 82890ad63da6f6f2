"""Alembic's entry point: run one service's migrations on the connection that `Database.migrate` gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
