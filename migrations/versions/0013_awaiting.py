"""An index of the records that wait for a verifier, by station: a list that asks them must not read all records."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

AWAITING = sa.text("state = 'submitted' OR state = 'checked'")


def upgrade() -> None:
    op.create_index(
        "service_records_awaiting_idx",
        "service_records",
        ["ledger_id", "station", "recorded_at", "record_id"],
        postgresql_where=AWAITING,
        sqlite_where=AWAITING,
    )


def downgrade() -> None:
    op.drop_index("service_records_awaiting_idx", table_name="service_records")
