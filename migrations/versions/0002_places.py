"""Places from day to day: dated terms with the parent of each time, and memberships in groups."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "place_terms",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("from_day", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("to_day", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("parent", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("sector", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("state", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("successor", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("from_day < to_day", name=op.f("place_terms_days_check")),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("place_terms_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "place_id", "from_day", name="place_terms_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("place_terms_parent_idx", "place_terms", ["ledger_id", "parent", "to_day"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("person_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("from_day", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("to_day", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("role", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("state", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("from_day < to_day", name=op.f("memberships_days_check")),
        sa.CheckConstraint("role IN ('member', 'head')", name=op.f("memberships_role_check")),
        sa.CheckConstraint("state IN ('open', 'ended')", name=op.f("memberships_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "group_id", "person_id", "from_day", name="memberships_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "memberships_person_idx", "memberships", ["ledger_id", "person_id", "to_day"], unique=False
    )
    # Places that stood before there were terms have been as they are for as long as anybody asks.
    op.execute(
        "INSERT INTO place_terms (ledger_id, place_id, from_day, to_day, parent, name, sector, state, successor)"
        " SELECT ledger_id, place_id, '0001-01-01', '9999-12-31', parent, name, '', 'open', '' FROM places"
    )


def downgrade() -> None:
    op.drop_table("memberships")
    op.drop_table("place_terms")
