"""How Alembic reaches the database: on the connection `migrate` hands over."""

from alembic import context

from hansard.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
