"""The walk through an account's postings, newest first: a merge of the index ranges of its (lot, side) pairs.

The two side indexes hold the postings of each account and lot in order. SQLite merges the ranges one
posting at a time (a recursive query whose ORDER BY makes its queue a priority queue): `limit` steps and no
more. PostgreSQL has no such queue: it looks up the newest posting of each range, takes the ranges that can
reach the page, and of each at most `limit` index entries. Neither reads more when history grows; both read
more when the account has had more lots.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, TextualSelect, column, text

_OLDER = """SELECT p.posting FROM postings p
    WHERE p.ledger_id = :ledger AND p.{side}_account = :account AND p.lot = {lot} AND p.posting {bound}
    ORDER BY p.posting DESC LIMIT {limit}"""


def _older(side: str, lot: str, bound: str, limit: str = "1") -> str:
    return "(" + _OLDER.format(side=side, lot=lot, bound=bound, limit=limit) + ")"


_SQLITE = f"""
WITH RECURSIVE walk(posting, lot, side) AS (
  SELECT {_older("debit", "w.value", "< :before")}, w.value, 0 FROM json_each(:lots) w
  UNION ALL
  SELECT {_older("credit", "w.value", "< :before")}, w.value, 1 FROM json_each(:lots) w
  UNION ALL
  SELECT CASE walk.side
      WHEN 0 THEN {_older("debit", "walk.lot", "< walk.posting")}
      ELSE {_older("credit", "walk.lot", "< walk.posting")} END,
    walk.lot, walk.side
  FROM walk WHERE walk.posting IS NOT NULL
  ORDER BY 1 DESC LIMIT :steps
)
SELECT posting FROM walk WHERE posting IS NOT NULL"""

_POSTGRESQL = f"""
WITH ranges AS MATERIALIZED (
  SELECT w.lot, n.side, n.posting FROM unnest(CAST(:lots AS int[])) AS w(lot) CROSS JOIN LATERAL (
    SELECT 0 AS side, {_older("debit", "w.lot", "< :before")} AS posting
    UNION ALL
    SELECT 1 AS side, {_older("credit", "w.lot", "< :before")} AS posting
  ) n
  WHERE n.posting IS NOT NULL ORDER BY n.posting DESC LIMIT :steps
)
SELECT m.posting FROM ranges r CROSS JOIN LATERAL (
  SELECT d.posting FROM {_older("debit", "r.lot", "<= r.posting", ":steps")} d WHERE r.side = 0
  UNION ALL
  SELECT c.posting FROM {_older("credit", "r.lot", "<= r.posting", ":steps")} c WHERE r.side = 1
) m
ORDER BY m.posting DESC LIMIT :steps"""


def walk(dialect: str) -> TextualSelect:
    """The newest `steps` postings of `account` in any of `lots` that are older than posting `before`."""
    statement = text(_SQLITE if dialect == "sqlite" else _POSTGRESQL)
    return statement.columns(column("posting", BigInteger))
