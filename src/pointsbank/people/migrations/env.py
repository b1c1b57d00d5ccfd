"""Alembic's entry for the people store: migrates over the connection that it is given, in the schema of its engine."""

from alembic import context

from pointsbank.people.store_tables import people_metadata

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]
context.configure(
    connection=connection,
    target_metadata=people_metadata,
    version_table="people_version",
    version_table_schema=schema,
    render_as_batch=connection.dialect.name == "sqlite",
)

with context.begin_transaction():
    context.run_migrations()
