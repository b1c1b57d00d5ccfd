"""Cards, acts of two members of staff, codes that wait for a sender, commands that were carried out."""

import sqlalchemy as sa
from alembic import context, op

revision = "p0002"
down_revision = "p0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    schema = context.config.attributes["schema"]
    op.create_table(
        "acts",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("act_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("confirmed_at", BIG, nullable=False),
        sa.Column("effective_at", BIG, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("state IN ('proposed', 'confirmed', 'used')", name=op.f("acts_state_check")),
        sa.CheckConstraint(
            "confirmed_by = '' OR confirmed_by <> proposed_by", name=op.f("acts_two_persons_check")
        ),
        sa.CheckConstraint(
            "kind IN ('card-issue', 'card-replacement', 'card-unfreezing', 'pin-reset', 'household', 'closing')",
            name=op.f("acts_kind_check"),
        ),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", "act_id", name="acts_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cards",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("card_id", TEXT, nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("number_digest", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("issued_at", BIG, nullable=False),
        sa.Column("issued_by", TEXT, nullable=False),
        sa.Column("effective_at", BIG, nullable=False),
        sa.Column("changed_at", BIG, nullable=False),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.CheckConstraint(
            "length(token_digest) = 32 AND length(number_digest) = 32", name=op.f("cards_digests_check")
        ),
        sa.CheckConstraint("state IN ('active', 'frozen', 'replaced')", name=op.f("cards_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "person_id", "card_id", name="cards_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("cards_number_key", "cards", ["ledger_id", "number_digest"], unique=True, schema=schema)
    op.create_index("cards_token_key", "cards", ["ledger_id", "token_digest"], unique=True, schema=schema)
    op.create_table(
        "code_messages",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("taken_until", BIG, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "message_id", name="code_messages_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "code_messages_person_idx", "code_messages", ["ledger_id", "person_id"], unique=False, schema=schema
    )
    op.create_table(
        "commands",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.Column("command_key", TEXT, nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "client", "command_key", name="commands_pk"),
        schema=schema,
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    schema = context.config.attributes["schema"]
    for name in ("commands", "code_messages", "cards", "acts"):
        op.drop_table(name, schema=schema)
