"""Books that another process has overtaken: brought up to date where they can be, given up where they cannot."""

from __future__ import annotations

from tests.ledger.toy import EARLY, LATE, Desk, issue

from pointsbank.ledger.books import Head
from pointsbank.store.port import News, catch_up


def _desk() -> Desk:
    """A wallet with 50 in one lot; the books know that lot and no other."""
    desk = Desk()
    desk.post(issue("first", "wallet:a", 50, LATE))
    return desk


def test_running_figures_of_known_accounts_and_lots_come_from_the_news() -> None:
    desk = _desk()
    books = desk.books
    mint, wallet = books.accounts["mint:m"], books.accounts["wallet:a"]
    assert mint is not None
    assert wallet is not None
    (lot,) = wallet.balances
    head = Head(
        **{name: getattr(books.head, name) for name in ("account", "lot")}, sequence=2, posting=2, batch=7
    )
    assert catch_up(books, head, News([], [(mint.number, wallet.number, lot, 2, 2, 80, 80, 80, 80)]))
    assert (wallet.version, wallet.balances[lot], wallet.totals["POINT"]) == (2, 80, 80)
    assert books.head.sequence == 2


def test_a_posting_of_a_lot_among_the_news_is_understood() -> None:
    desk = _desk()
    books = desk.books
    mint, wallet = books.accounts["mint:m"], books.accounts["wallet:a"]
    assert mint is not None
    assert wallet is not None
    head = Head(sequence=2, posting=2, account=books.head.account, lot=9, batch=7)
    news = News([(9, "POINT", EARLY)], [(mint.number, wallet.number, 9, 2, 2, 30, 30, 80, 80)])
    assert catch_up(books, head, news)
    assert wallet.balances[9] == 30
    assert wallet.totals["POINT"] == 80


def test_a_posting_of_an_old_lot_that_the_books_never_met_means_to_load_them_anew() -> None:
    desk = _desk()
    books = desk.books
    wallet = books.accounts["wallet:a"]
    assert wallet is not None
    before = (wallet.version, dict(wallet.balances), dict(wallet.totals), books.head)
    news = News([], [(98, 99, 77, 1, 1, 30, 30, 30, 30)])
    assert not catch_up(books, Head(sequence=2, posting=2, batch=7), news)
    assert (wallet.version, dict(wallet.balances), dict(wallet.totals), books.head) == before
