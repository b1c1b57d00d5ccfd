"""Read-only questions to the books, one file a question. Nothing here writes, and nothing here has rules.

A question is a function `question(connection, ledger_id, ...)` for `Database.read`, which runs it on one
snapshot; so an answer that takes several statements still is of one moment, and it names that moment's
sequence number.
"""
