"""Tables of this room: staff and their roles, API keys, signed-in browsers, and what `verify` said last.

Only hashes of secrets are kept, and nothing personal: a login name is an id that an administrator chooses.
Passwords, log-ins and throttles stand in a second store (`logins.py`). Rows are written by the ledger's writer, so
`state` can guard their changes.
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
    column("owner", Text),
    column("person_id", Text),
    column("confirmed_by", Text),
    CheckConstraint("state IN ('proposed', 'active', 'revoked')", name="state"),
    CheckConstraint("length(secret_hash) = 32", name="secret_hash"),
    CheckConstraint("owner IN ('operator', 'machine', 'person')", name="owner"),
    CheckConstraint("(owner = 'person') = (person_id <> '')", name="person"),
    key=("key_id",),
)
"""`client` is who the key speaks for: idempotency keys belong to it, so that a key can be replaced by
another. A key that a second person must confirm is `proposed` until then and opens nothing."""

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

staff_accounts = table(
    "staff_accounts",
    column("person_id", Text),
    column("login", Text),
    column("created_by", Text),
    column("created_at", Big),
    column("sessions_from", Big),
    column("state", Text),
    CheckConstraint("state IN ('active', 'closed')", name="state"),
    key=("person_id",),
)
"""One account a natural person. Sessions opened before `sessions_from` are over: whatever takes a right away
raises it in the same commit."""
Index("staff_accounts_login_key", staff_accounts.c.ledger_id, staff_accounts.c.login, unique=True)

role_grants = table(
    "role_grants",
    column("grant_id", Text),
    column("person_id", Text),
    column("role", Text),
    column("place_id", Text),
    column("from_day", Text),
    column("to_day", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("confirmed_by", Text),
    column("confirmed_at", Big),
    column("revoked_by", Text),
    column("revoked_at", Big),
    column("state", Text),
    CheckConstraint("state IN ('proposed', 'active', 'revoked')", name="state"),
    CheckConstraint("from_day <= to_day", name="days"),
    CheckConstraint(
        "proposed_by <> person_id AND confirmed_by <> person_id AND (confirmed_by = '' OR confirmed_by <> proposed_by"
        " OR confirmed_by = 'founding')",
        name="four_eyes",
    ),
    key=("grant_id",),
)
"""A role of a person at a place and below it (empty: the city), from day to day, both included. Proposed by one
person, confirmed by another, neither the one who gets it; the founding alone confirms itself."""
Index("role_grants_person_idx", role_grants.c.ledger_id, role_grants.c.person_id, role_grants.c.state)

enrolments = table(
    "enrolments",
    column("enrolment_id", Text),
    column("person_id", Text),
    column("reason", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("first_half", LargeBinary),
    column("confirmed_by", Text),
    column("second_half", LargeBinary),
    column("expires_at", Big),
    column("state", Text),
    CheckConstraint("reason IN ('new', 'recovery')", name="reason"),
    CheckConstraint("state IN ('proposed', 'confirmed', 'used')", name="state"),
    key=("enrolment_id",),
)
"""Leave to set a password and a second factor, once. Two administrators hold half of the code each, so neither
can enrol in somebody else's place. Only hashes of the halves are kept."""
Index("enrolments_person_idx", enrolments.c.ledger_id, enrolments.c.person_id, enrolments.c.state)

terminals = table(
    "terminals",
    column("terminal_id", Text),
    column("place_id", Text),
    column("label", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("confirmed_by", Text),
    column("code_hash", LargeBinary),
    column("code_until", Big),
    column("key_hash", LargeBinary),
    column("enrolled_at", Big),
    column("revoked_by", Text),
    column("revoked_at", Big),
    column("state", Text),
    CheckConstraint("state IN ('proposed', 'confirmed', 'enrolled', 'revoked')", name="state"),
    CheckConstraint("confirmed_by = '' OR confirmed_by <> proposed_by", name="four_eyes"),
    CheckConstraint("(state = 'enrolled') <= (length(key_hash) = 32)", name="key_hash"),
    key=("terminal_id",),
)
"""Devices at which a card and a PIN open something: proposed by one, confirmed by another, enrolled once with a code.
Only hashes of the code and of the key are kept. Its place bounds what is done there."""
Index("terminals_place_idx", terminals.c.ledger_id, terminals.c.place_id)

policy_changes = table(
    "policy_changes",
    column("change_id", Text),
    column("digest", Text),
    column("versions", Text),
    column("document_no", Text),
    column("number", Big),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("decided_by", Text),
    column("decided_at", Big),
    column("state", Text),
    CheckConstraint("state IN ('proposed', 'approved', 'refused')", name="state"),
    CheckConstraint("(state = 'approved') = (number > 0)", name="number"),
    CheckConstraint(
        "decided_by = '' OR decided_by <> proposed_by OR decided_by = 'founding'", name="four_eyes"
    ),
    key=("change_id",),
)
"""Books of policies, by their digest: proposed by one person, decided by another. The approved one with the highest
`number` rules. What a ledger was worked with before it had staff is noted by itself (`founding`)."""
Index("policy_changes_number_idx", policy_changes.c.ledger_id, policy_changes.c.number)
