"""Nothing personal in the books: volunteers are random ids, and records keep what came in sealed.

Goes over a database in which nobody is registered. Numbers, birth dates and lines that a database from before holds in
plain stay in its pages and its journal: it is replayed anew into a fresh one, not migrated.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

FILLED = ("volunteers", "service_records", "receipts")


def upgrade() -> None:
    _refuse_people(
        "账簿里已有志愿者或记录，其中的编号和出生日期不能就地迁移。请新建数据库，重新登记、重放原始文件。\n"
        "The books hold volunteers or records with numbers and birth dates, which are not migrated: make a new"
        " database and bring the original files in anew."
    )
    op.drop_table("volunteers")
    op.create_table(
        "volunteers",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("volunteer_id", TEXT, nullable=False),
        sa.Column("registered_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "volunteer_id", name="volunteers_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.drop_table("service_records")
    _service_records(
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    _refuse_people(
        "账簿里已有志愿者或记录，不能退回旧结构 / the books hold volunteers or records: there is no way back"
    )
    op.drop_table("service_records")
    _service_records()
    op.drop_table("volunteers")
    op.create_table(
        "volunteers",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", TEXT, nullable=False),
        sa.Column("volunteer_id", TEXT, nullable=False),
        sa.Column("born_on", TEXT, nullable=False),
        sa.Column("registered_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "number", name="volunteers_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("volunteers_volunteer_id_key", "volunteers", ["ledger_id", "volunteer_id"], unique=True)


def _refuse_people(sentence: str) -> None:
    connection = op.get_bind()
    for name in FILLED:
        if connection.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first():
            raise RuntimeError(sentence)


def _service_records(*more: sa.Column[bytes]) -> None:
    op.create_table(
        "service_records",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_id", TEXT, nullable=False),
        sa.Column("volunteer", TEXT, nullable=False),
        sa.Column("fields", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("start_minute", BIG, nullable=False),
        sa.Column("end_minute", BIG, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("creditable", sa.Integer(), nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("station", TEXT, nullable=False),
        sa.Column("policy", TEXT, nullable=False),
        sa.Column("lot", TEXT, nullable=False),
        sa.Column("available_on", TEXT, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("released_by", BIG, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", BIG, nullable=False),
        *more,
        sa.PrimaryKeyConstraint("ledger_id", "record_id", name="service_records_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "service_records_pending_idx",
        "service_records",
        ["ledger_id", "available_on", "record_id"],
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index("service_records_sequence_idx", "service_records", ["ledger_id", "sequence"])
    op.create_index(
        "service_records_volunteer_idx", "service_records", ["ledger_id", "volunteer", "start_minute"]
    )
