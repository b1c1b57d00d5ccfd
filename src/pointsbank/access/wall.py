"""The second wall, on PostgreSQL: the role that serves can add to the journal and can change nothing in it.

The triggers refuse a change of the journal to everybody; but a table's owner can drop a trigger, and a superuser can
do anything. So the owner's role migrates, and the service runs as another, which gets what it needs and no more.
SQLite knows no roles: there only checkpoints kept elsewhere would show a rewritten file.
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Connection, bindparam, text

from pointsbank.access.logins import SCHEMA, make_tables
from pointsbank.people.schema import SCHEMA as PEOPLE_SCHEMA
from pointsbank.store.tables import JOURNAL, metadata

ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_FORBIDDEN: Final = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")

_SUPERUSER: Final = text(
    "SELECT rolname FROM pg_roles WHERE rolname IN (session_user, current_user) AND rolsuper ORDER BY 1"
)
_OWNED: Final = text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname IN :names"
    " AND pg_has_role(session_user, c.relowner, 'MEMBER') ORDER BY 1"
).bindparams(bindparam("names", expanding=True))
_PRIVILEGE: Final = text("SELECT has_table_privilege(session_user, :name, :privilege)")
_OWN_PEOPLE: Final = text(
    f"SELECT 1 FROM pg_namespace WHERE nspname = '{PEOPLE_SCHEMA}' AND pg_has_role(nspowner, 'MEMBER')"
)
_COLUMNS: Final = text("SELECT has_any_column_privilege(session_user, :name, 'UPDATE')")


def holes(connection: Connection) -> list[str]:
    """Through what the connected role could rewrite the journal; empty if it cannot. SQLite has no such wall."""
    if connection.dialect.name != "postgresql":
        return []
    found = [f"{role} is a superuser" for role in connection.execute(_SUPERUSER).scalars()]
    if found:
        return found
    found = [
        f"owns {name}" for name in connection.execute(_OWNED, {"names": sorted(metadata.tables)}).scalars()
    ]
    for name in JOURNAL:
        may = [
            privilege
            for privilege in _FORBIDDEN
            if connection.execute(_PRIVILEGE, {"name": name, "privilege": privilege}).scalar_one()
        ]
        if "UPDATE" not in may and connection.execute(_COLUMNS, {"name": name}).scalar_one():
            may.insert(0, "UPDATE of columns")
        found += [f"may {privilege} {name}" for privilege in may]
    return found


def let_in(connection: Connection, role: str) -> None:
    """Give a role what the service needs, and take away what it had beyond that. Run by the tables' owner.

    The journal: read and add. Everything else of the books: read, add, change. The store of log-ins: all. The people
    store, if it lies in this database and is the owner's: all.
    Raises ValueError if that is no plain name of a role.
    """
    if not ROLE.fullmatch(role):
        raise ValueError(f"{role!r} is no plain name of a role")
    make_tables(connection)
    schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    statements = [
        f'GRANT USAGE ON SCHEMA "{schema}", {SCHEMA} TO {role}',
        f'REVOKE ALL ON ALL TABLES IN SCHEMA "{schema}" FROM {role}',
        f'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "{schema}" TO {role}',
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}",
        f'REVOKE INSERT ON "{schema}".alembic_version FROM {role}',
    ]
    statements += [
        f"GRANT UPDATE ON {name} TO {role}" for name in sorted(set(metadata.tables) - set(JOURNAL))
    ]
    if connection.execute(_OWN_PEOPLE).first():  # a people store with a role of its own lets in by itself
        statements += [
            f"GRANT USAGE ON SCHEMA {PEOPLE_SCHEMA} TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {PEOPLE_SCHEMA} TO {role}",
            f"REVOKE INSERT, UPDATE, DELETE ON {PEOPLE_SCHEMA}.people_version FROM {role}",
        ]
    for statement in statements:
        connection.execute(text(statement))
