"""The people store: persons, their wrapped keys and sealed values, consents, links, and who saw whom."""

import sqlalchemy as sa
from alembic import context, op

revision = "p0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    schema = context.config.attributes["schema"]
    op.create_table(
        "access_log",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_id", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "entry_id", name="access_log_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "access_log_actor_idx", "access_log", ["ledger_id", "actor", "at"], unique=False, schema=schema
    )
    op.create_index(
        "access_log_person_idx", "access_log", ["ledger_id", "person_id", "at"], unique=False, schema=schema
    )
    op.create_table(
        "blind_indexes",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("blind_indexes_digest_check")),
        sa.CheckConstraint(
            "kind IN ('phone', 'id-number', 'volunteer-number')", name=op.f("blind_indexes_kind_check")
        ),
        sa.PrimaryKeyConstraint("ledger_id", "kind", "digest", "person_id", name="blind_indexes_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "blind_indexes_person_idx", "blind_indexes", ["ledger_id", "person_id"], unique=False, schema=schema
    )
    op.create_index(
        "blind_indexes_unique_key",
        "blind_indexes",
        ["ledger_id", "kind", "digest"],
        unique=True,
        schema=schema,
        sqlite_where=sa.text("kind != 'phone'"),
        postgresql_where=sa.text("kind != 'phone'"),
    )
    op.create_table(
        "changes",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("change_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("confirmed_at", BIG, nullable=False),
        sa.Column("effective_at", BIG, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('name', 'phone', 'volunteer-number', 'birth', 'unfreeze', 'merge', 'unmerge')",
            name=op.f("changes_kind_check"),
        ),
        sa.CheckConstraint("state IN ('proposed', 'confirmed', 'refused')", name=op.f("changes_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", "change_id", name="changes_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "closings",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("settlement", TEXT, nullable=False),
        sa.Column("state_before", TEXT, nullable=False),
        sa.Column("asked_at", BIG, nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("settles_at", BIG, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
        sa.CheckConstraint(
            "step IN ('asked', 'settling', 'settled', 'erased', 'done')", name=op.f("closings_step_check")
        ),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", name="closings_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("closings_step_idx", "closings", ["ledger_id", "step"], unique=False, schema=schema)
    op.create_table(
        "consents",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("consent_id", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("wording", TEXT, nullable=False),
        sa.Column("given_at", BIG, nullable=False),
        sa.Column("given_by", TEXT, nullable=False),
        sa.Column("taken_by", TEXT, nullable=False),
        sa.Column("withdrawn_at", BIG, nullable=False),
        sa.Column("withdrawn_by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", "consent_id", name="consents_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "links",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ward_id", TEXT, nullable=False),
        sa.Column("link_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("holder_id", TEXT, nullable=False),
        sa.Column("from_day", TEXT, nullable=False),
        sa.Column("to_day", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("confirmed_at", BIG, nullable=False),
        sa.Column("effective_at", BIG, nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('guardian', 'helper')", name=op.f("links_kind_check")),
        sa.CheckConstraint("state IN ('proposed', 'active', 'ended')", name=op.f("links_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "ward_id", "link_id", name="links_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("links_holder_idx", "links", ["ledger_id", "holder_id"], unique=False, schema=schema)
    op.create_table(
        "notices",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("sent_at", BIG, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed')", name=op.f("notices_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "notice_id", name="notices_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("notices_person_idx", "notices", ["ledger_id", "person_id"], unique=False, schema=schema)
    op.create_index(
        "notices_state_idx", "notices", ["ledger_id", "state", "notice_id"], unique=False, schema=schema
    )
    op.create_table(
        "person_keys",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("master_id", TEXT, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", name="person_keys_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "person_keys_master_idx",
        "person_keys",
        ["ledger_id", "master_id", "person_id"],
        unique=False,
        schema=schema,
    )
    op.create_table(
        "person_roles",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.CheckConstraint(
            "role IN ('volunteer', 'staff', 'guardian', 'helper')", name=op.f("person_roles_role_check")
        ),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", "role", name="person_roles_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "persons",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("merged_into", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.CheckConstraint("(state = 'merged') <= (merged_into != '')", name=op.f("persons_merged_check")),
        sa.CheckConstraint(
            "state IN ('active', 'frozen', 'merged', 'closing', 'closed')", name=op.f("persons_state_check")
        ),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", name="persons_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "persons_merged_idx", "persons", ["ledger_id", "merged_into"], unique=False, schema=schema
    )
    op.create_table(
        "risk_flags",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("period", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "kind", "actor", "period", name="risk_flags_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("risk_flags_at_idx", "risk_flags", ["ledger_id", "at"], unique=False, schema=schema)
    op.create_table(
        "sealed_values",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
        sa.CheckConstraint(
            "field IN ('name', 'phone', 'id-number', 'volunteer-number', 'birth')",
            name=op.f("sealed_values_field_check"),
        ),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", "field", name="sealed_values_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_counters",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("searches", BIG, nullable=False),
        sa.Column("last_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "actor", name="search_counters_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "store_secrets",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("master_id", TEXT, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "name", name="store_secrets_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    schema = context.config.attributes["schema"]
    for name in (
        "store_secrets",
        "search_counters",
        "sealed_values",
        "risk_flags",
        "persons",
        "person_roles",
        "person_keys",
        "notices",
        "links",
        "consents",
        "closings",
        "changes",
        "blind_indexes",
        "access_log",
    ):
        op.drop_table(name, schema=schema)
