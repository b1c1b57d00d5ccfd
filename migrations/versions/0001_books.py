"""The books and the rooms' first documents."""

from alembic import op

from pointsbank.store.tables import metadata
from pointsbank.store.triggers import drop_triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    for statement in drop_triggers(op.get_bind().dialect.name):
        op.execute(statement)
    metadata.drop_all(op.get_bind())
