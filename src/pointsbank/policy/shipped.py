"""Where the policies lie that come with the program, and the book that is in use."""

from pathlib import Path

from pointsbank.policy.book import PolicyBook, load_book
from pointsbank.policy.load import load_policy


def policies_at(path: str = "") -> PolicyBook:
    """The policy book of a folder or file; without a path, the one that comes with the program.

    Raises PolicyErrors.
    """
    where = Path(path) if path else shipped_folder()
    return load_book(where) if where.is_dir() else PolicyBook([load_policy(where)])


def shipped_folder() -> Path:
    """The folder of dated policies: beside the sources in a checkout, inside the package in an installed wheel."""
    package = Path(__file__).parents[1]
    beside = package.parents[1] / "config" / "policy"
    return beside if beside.is_dir() else package / "config" / "policy"
