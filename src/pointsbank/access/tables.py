"""Tables of this room: API keys, signed-in browsers, and what `verify` said last.

Only hashes of secrets are kept. Rows are written by the ledger's writer, so `state` can guard their changes.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text

from pointsbank.store.tables import Big, column, table

api_keys = table(
    "api_keys",
    column("key_id", Text),
    column("client", Text),
    column("label", Text),
    column("scopes", Text),
    column("secret_hash", LargeBinary),
    column("created_at", Big),
    column("created_by", Text),
    column("expires_at", Big),
    column("state", Text),
    column("revoked_at", Big),
    CheckConstraint("state IN ('active', 'revoked')", name="state"),
    CheckConstraint("length(secret_hash) = 32", name="secret_hash"),
    key=("key_id",),
)
"""`client` is who the key speaks for: idempotency keys belong to it, so that a key can be replaced by
another."""

sessions = table(
    "sessions",
    column("token_hash", Text),
    column("key_id", Text),
    column("created_at", Big),
    column("expires_at", Big),
    column("state", Text),
    CheckConstraint("state IN ('open', 'ended')", name="state"),
    key=("token_hash",),
)

verifications = table(
    "verifications",
    column("finished_at", Big),
    column("from_sequence", Big),
    column("to_sequence", Big),
    column("entries", Big),
    column("findings", Big),
    column("milliseconds", Big),
    column("program", Text),
    CheckConstraint("findings >= 0", name="findings"),
    key=("finished_at",),
)
Index("sessions_expires_at_idx", sessions.c.ledger_id, sessions.c.expires_at)
