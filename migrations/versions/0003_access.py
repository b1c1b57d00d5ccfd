"""Staff accounts, role grants and enrolments; API keys belong to a person or to a machine source."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _keys_have_owners()
    op.create_table(
        "staff_accounts",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", Text, nullable=False),
        sa.Column("login", Text, nullable=False),
        sa.Column("created_by", Text, nullable=False),
        sa.Column("created_at", Big, nullable=False),
        sa.Column("sessions_from", Big, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.CheckConstraint("state IN ('active', 'closed')", name=op.f("staff_accounts_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", name="staff_accounts_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("staff_accounts_login_key", "staff_accounts", ["ledger_id", "login"], unique=True)
    op.create_table(
        "role_grants",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("grant_id", Text, nullable=False),
        sa.Column("person_id", Text, nullable=False),
        sa.Column("role", Text, nullable=False),
        sa.Column("place_id", Text, nullable=False),
        sa.Column("from_day", Text, nullable=False),
        sa.Column("to_day", Text, nullable=False),
        sa.Column("proposed_by", Text, nullable=False),
        sa.Column("proposed_at", Big, nullable=False),
        sa.Column("confirmed_by", Text, nullable=False),
        sa.Column("confirmed_at", Big, nullable=False),
        sa.Column("revoked_by", Text, nullable=False),
        sa.Column("revoked_at", Big, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'active', 'revoked')", name=op.f("role_grants_state_check")
        ),
        sa.CheckConstraint("from_day <= to_day", name=op.f("role_grants_days_check")),
        sa.CheckConstraint(
            "proposed_by <> person_id AND confirmed_by <> person_id AND (confirmed_by = ''"
            " OR confirmed_by <> proposed_by OR confirmed_by = 'founding')",
            name=op.f("role_grants_four_eyes_check"),
        ),
        sa.PrimaryKeyConstraint("ledger_id", "grant_id", name="role_grants_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "role_grants_person_idx", "role_grants", ["ledger_id", "person_id", "state"], unique=False
    )
    op.create_table(
        "enrolments",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("enrolment_id", Text, nullable=False),
        sa.Column("person_id", Text, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("proposed_by", Text, nullable=False),
        sa.Column("proposed_at", Big, nullable=False),
        sa.Column("first_half", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_by", Text, nullable=False),
        sa.Column("second_half", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Big, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.CheckConstraint("reason IN ('new', 'recovery')", name=op.f("enrolments_reason_check")),
        sa.CheckConstraint("state IN ('proposed', 'confirmed', 'used')", name=op.f("enrolments_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "enrolment_id", name="enrolments_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("enrolments_person_idx", "enrolments", ["ledger_id", "person_id", "state"], unique=False)


def downgrade() -> None:
    """Keys that wait for a second person end: the older program knows no such state."""
    op.drop_table("enrolments")
    op.drop_table("role_grants")
    op.drop_table("staff_accounts")
    _rebuild_keys(owners=False)


def _keys_have_owners() -> None:
    """Keys that are there were made before the ledger had staff: they are the operator's."""
    _rebuild_keys(owners=True)


def _rebuild_keys(*, owners: bool) -> None:
    """A table of its own and a copy: the columns keep their order on both engines, and SQLite its STRICT."""
    op.rename_table("api_keys", "api_keys_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX api_keys_pk RENAME TO api_keys_before_pk")
    states = "'proposed', 'active', 'revoked'" if owners else "'active', 'revoked'"
    more: list[sa.schema.SchemaItem] = []
    if owners:
        more = [
            sa.Column("owner", Text, nullable=False),
            sa.Column("person_id", Text, nullable=False),
            sa.Column("confirmed_by", Text, nullable=False),
            sa.CheckConstraint(
                "owner IN ('operator', 'machine', 'person')", name=op.f("api_keys_owner_check")
            ),
            sa.CheckConstraint("(owner = 'person') = (person_id <> '')", name=op.f("api_keys_person_check")),
        ]
    op.create_table(
        "api_keys",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", Text, nullable=False),
        sa.Column("client", Text, nullable=False),
        sa.Column("label", Text, nullable=False),
        sa.Column("scopes", Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Big, nullable=False),
        sa.Column("created_by", Text, nullable=False),
        sa.Column("expires_at", Big, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("revoked_at", Big, nullable=False),
        *more,
        sa.CheckConstraint(f"state IN ({states})", name=op.f("api_keys_state_check")),
        sa.CheckConstraint("length(secret_hash) = 32", name=op.f("api_keys_secret_hash_check")),
        sa.PrimaryKeyConstraint("ledger_id", "key_id", name="api_keys_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    old = "ledger_id, key_id, client, label, scopes, secret_hash, created_at, created_by, expires_at"
    if owners:
        op.execute(
            f"INSERT INTO api_keys SELECT {old}, state, revoked_at, 'operator', '', '' FROM api_keys_before"
        )
    else:
        state = "CASE state WHEN 'proposed' THEN 'revoked' ELSE state END"
        op.execute(f"INSERT INTO api_keys SELECT {old}, {state}, revoked_at FROM api_keys_before")
    op.drop_table("api_keys_before")
