"""The tables of the people store, in a metadata of their own: nothing here is ever in the ledger's database schema.

On SQLite they are the file people.db, on PostgreSQL the schema `people`. A value about a person is either sealed
(`sealed`, `note`, `evidence`) or a random id, a date, a state.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from pointsbank.store.tables import Big, column

people_metadata: Final = MetaData(
    naming_convention={"ck": "%(table_name)s_%(constraint_name)s_check"},
)

OPEN_END: Final = "9999-12-31"


def _table(name: str, *columns: Any, key: tuple[str, ...]) -> Table:
    return Table(
        name,
        people_metadata,
        Column("ledger_id", Integer, nullable=False, autoincrement=False),
        *columns,
        PrimaryKeyConstraint("ledger_id", *key, name=f"{name}_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


store_secrets = _table(
    "store_secrets",
    column("name", Text),
    column("master_id", Text),
    column("wrapped", LargeBinary),
    column("created_at", Big),
    key=("name",),
)
"""Secrets of the store itself, wrapped by a master key: the root of the blind indexes."""

persons = _table(
    "persons",
    column("person_id", Text),
    column("state", Text),
    column("merged_into", Text),
    column("created_at", Big),
    column("created_by", Text),
    column("changed_at", Big),
    column("changed_by", Text),
    CheckConstraint("state IN ('active', 'frozen', 'merged', 'closing', 'closed')", name="state"),
    CheckConstraint("(state = 'merged') <= (merged_into != '')", name="merged"),
    key=("person_id",),
)
Index("persons_merged_idx", persons.c.ledger_id, persons.c.merged_into)
"""Natural persons. A closed one is this row and nothing else. A merged one is an alias of `merged_into`."""

person_roles = _table(
    "person_roles",
    column("person_id", Text),
    column("role", Text),
    column("since", Big),
    CheckConstraint("role IN ('volunteer', 'staff', 'guardian', 'helper')", name="role"),
    key=("person_id", "role"),
)
"""What somebody is to the bank. Rights do not follow from it."""

person_keys = _table(
    "person_keys",
    column("person_id", Text),
    column("key_id", Text),
    column("master_id", Text),
    column("wrapped", LargeBinary),
    column("wrapped_at", Big),
    key=("person_id",),
)
"""The one key of each person, wrapped. Deleting this row is what forgetting means."""
Index("person_keys_master_idx", person_keys.c.ledger_id, person_keys.c.master_id, person_keys.c.person_id)

sealed_values = _table(
    "sealed_values",
    column("person_id", Text),
    column("field", Text),
    column("key_id", Text),
    column("sealed", LargeBinary),
    column("changed_at", Big),
    CheckConstraint("field IN ('name', 'phone', 'id-number', 'volunteer-number', 'birth')", name="field"),
    key=("person_id", "field"),
)

blind_indexes = _table(
    "blind_indexes",
    column("kind", Text),
    column("digest", LargeBinary),
    column("person_id", Text),
    CheckConstraint("kind IN ('phone', 'id-number', 'volunteer-number')", name="kind"),
    CheckConstraint("length(digest) = 32", name="digest"),
    key=("kind", "digest", "person_id"),
)
Index(
    "blind_indexes_unique_key",
    blind_indexes.c.ledger_id,
    blind_indexes.c.kind,
    blind_indexes.c.digest,
    unique=True,
    sqlite_where=blind_indexes.c.kind != "phone",
    postgresql_where=blind_indexes.c.kind != "phone",
)
"""A volunteer number and an ID number are one person's; a phone may be a family's."""
Index("blind_indexes_person_idx", blind_indexes.c.ledger_id, blind_indexes.c.person_id)

consents = _table(
    "consents",
    column("person_id", Text),
    column("consent_id", Text),
    column("purpose", Text),
    column("wording", Text),
    column("given_at", Big),
    column("given_by", Text),
    column("taken_by", Text),
    column("withdrawn_at", Big),
    column("withdrawn_by", Text),
    key=("person_id", "consent_id"),
)
"""Who consented to what and when; `withdrawn_at` 0 while it stands. Rows are kept, also of the withdrawn."""

links = _table(
    "links",
    column("ward_id", Text),
    column("link_id", Text),
    column("kind", Text),
    column("holder_id", Text),
    column("from_day", Text),
    column("to_day", Text),
    column("state", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("confirmed_by", Text),
    column("confirmed_at", Big),
    column("effective_at", Big),
    column("evidence", LargeBinary),
    CheckConstraint("kind IN ('guardian', 'helper')", name="kind"),
    CheckConstraint("state IN ('proposed', 'active', 'ended')", name="state"),
    key=("ward_id", "link_id"),
)
"""Who may act for whom. `evidence` is sealed under the ward's key; `to_day` is the first day without it."""
Index("links_holder_idx", links.c.ledger_id, links.c.holder_id)

changes = _table(
    "changes",
    column("person_id", Text),
    column("change_id", Text),
    column("kind", Text),
    column("state", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("confirmed_by", Text),
    column("confirmed_at", Big),
    column("effective_at", Big),
    column("payload", LargeBinary),
    CheckConstraint(
        "kind IN ('name', 'phone', 'volunteer-number', 'birth', 'unfreeze', 'merge', 'unmerge')", name="kind"
    ),
    CheckConstraint("state IN ('proposed', 'confirmed', 'refused')", name="state"),
    key=("person_id", "change_id"),
)
"""Changes that one member of staff proposes and another confirms. `payload` is sealed under the person's key."""

notices = _table(
    "notices",
    column("notice_id", Text),
    column("person_id", Text),
    column("template", Text),
    column("state", Text),
    column("created_at", Big),
    column("sent_at", Big),
    column("address", LargeBinary),
    CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
    key=("notice_id",),
)
"""What is to be sent: a template and a number that is sealed under the person's key. Senders empty it."""
Index("notices_state_idx", notices.c.ledger_id, notices.c.state, notices.c.notice_id)
Index("notices_person_idx", notices.c.ledger_id, notices.c.person_id)

access_log = _table(
    "access_log",
    column("entry_id", Text),
    column("at", Big),
    column("actor", Text),
    column("person_id", Text),
    column("action", Text),
    column("field", Text),
    column("note", LargeBinary),
    key=("entry_id",),
)
"""Who saw whom, and why: `note` is the reason, sealed under the key of who was seen. A miss has no person."""
Index("access_log_actor_idx", access_log.c.ledger_id, access_log.c.actor, access_log.c.at)
Index("access_log_person_idx", access_log.c.ledger_id, access_log.c.person_id, access_log.c.at)

search_counters = _table(
    "search_counters",
    column("actor", Text),
    column("searches", Big),
    column("last_at", Big),
    key=("actor",),
)
"""One row for each who searches; raising it makes two searches of one person take turns."""

risk_flags = _table(
    "risk_flags",
    column("kind", Text),
    column("actor", Text),
    column("period", Text),
    column("at", Big),
    column("count", Big),
    key=("kind", "actor", "period"),
)
"""What an auditor should look at: one row for each kind, actor and hour."""
Index("risk_flags_at_idx", risk_flags.c.ledger_id, risk_flags.c.at)

closings = _table(
    "closings",
    column("person_id", Text),
    column("step", Text),
    column("settlement", Text),
    column("state_before", Text),
    column("asked_at", Big),
    column("asked_by", Text),
    column("confirmed_by", Text),
    column("settles_at", Big),
    column("changed_at", Big),
    CheckConstraint("step IN ('asked', 'settling', 'settled', 'erased', 'done')", name="step"),
    key=("person_id",),
)
"""How far the closing of an account has come; it goes on from here after any interruption."""
Index("closings_step_idx", closings.c.ledger_id, closings.c.step)

acts = _table(
    "acts",
    column("person_id", Text),
    column("act_id", Text),
    column("kind", Text),
    column("state", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("confirmed_by", Text),
    column("confirmed_at", Big),
    column("effective_at", Big),
    column("payload", LargeBinary),
    CheckConstraint(
        "kind IN ('card-issue', 'card-replacement', 'card-unfreezing', 'pin-reset', 'household', 'closing')",
        name="kind",
    ),
    CheckConstraint("state IN ('proposed', 'confirmed', 'used')", name="state"),
    CheckConstraint("confirmed_by = '' OR confirmed_by <> proposed_by", name="two_persons"),
    key=("person_id", "act_id"),
)
"""What two members of staff do together beside `changes`: cards, PINs, households, closings. `payload` is sealed."""

cards = _table(
    "cards",
    column("person_id", Text),
    column("card_id", Text),
    column("token_digest", LargeBinary),
    column("number_digest", LargeBinary),
    column("number", LargeBinary),
    column("state", Text),
    column("issued_at", Big),
    column("issued_by", Text),
    column("effective_at", Big),
    column("changed_at", Big),
    column("changed_by", Text),
    CheckConstraint("state IN ('active', 'frozen', 'replaced')", name="state"),
    CheckConstraint("length(token_digest) = 32 AND length(number_digest) = 32", name="digests"),
    key=("person_id", "card_id"),
)
"""Cards: digests of the token and of the printed number, which is sealed too. A card may spend from `effective_at`."""
Index("cards_token_key", cards.c.ledger_id, cards.c.token_digest, unique=True)
Index("cards_number_key", cards.c.ledger_id, cards.c.number_digest, unique=True)

code_messages = _table(
    "code_messages",
    column("message_id", Text),
    column("person_id", Text),
    column("template", Text),
    column("expires_at", Big),
    column("taken_until", Big),
    column("address", LargeBinary),
    column("code", LargeBinary),
    key=("message_id",),
)
"""One-time codes that wait for a sender: number and code sealed under a holder's key. Gone when sent, or too old."""
Index("code_messages_person_idx", code_messages.c.ledger_id, code_messages.c.person_id)

commands = _table(
    "commands",
    column("client", Text),
    column("command_key", Text),
    column("request", LargeBinary),
    column("answer", LargeBinary),
    column("at", Big),
    key=("client", "command_key"),
)
"""Commands that were carried out, for their repetition: an HMAC of what was asked, and the ids that were answered."""

ERASED_WITH_A_PERSON: Final[tuple[tuple[Table, str], ...]] = (
    (person_keys, "person_id"),
    (blind_indexes, "person_id"),
    (sealed_values, "person_id"),
    (person_roles, "person_id"),
    (changes, "person_id"),
    (notices, "person_id"),
    (acts, "person_id"),
    (cards, "person_id"),
    (code_messages, "person_id"),
)
"""What goes when a person is forgotten, the key first. A new table of personal rows adds its line here."""
