"""Run revisions on the connection that `cinema.database.migrate` brings along, in its transaction."""

from alembic import context

from cinema.database.tables import SCHEMA, metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=None if connection.dialect.name == "sqlite" else SCHEMA,
    transactional_ddl=True,
)
context.run_migrations()
