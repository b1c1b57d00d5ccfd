"""Alembic's entry: migrates over the connection that it is given."""

from alembic import context

from pointsbank.store.statistics import seed_statistics
from pointsbank.store.triggers import create_triggers, drop_triggers
from pointsbank.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite"
)

with context.begin_transaction():
    # SQLite renames no table while a trigger of another table names it, so the triggers stand aside.
    if connection.dialect.name == "sqlite":
        for statement in drop_triggers("sqlite"):
            connection.exec_driver_sql(statement)
    context.run_migrations()
    # Batch mode rebuilds tables on SQLite and loses their triggers, so they are put back after every migration.
    if connection.dialect.has_table(connection, "postings"):
        for statement in create_triggers(connection.dialect.name):
            connection.exec_driver_sql(statement)
        seed_statistics(connection)
