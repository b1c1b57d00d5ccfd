"""Exactly one policy is in force on every day that a book covers."""

from datetime import date
from pathlib import Path

import pytest

from pointsbank.policy.book import NoPolicyError, PolicyBook, load_book
from pointsbank.policy.load import PolicyErrors

CONFIG = Path(__file__).parents[2] / "config" / "policy"


def write(folder: Path, name: str, valid_from: str, valid_to: str = "") -> None:
    """A copy of the default policy with other dates."""
    text = (CONFIG / "harbin-2026.toml").read_text("utf-8")
    dates = f"valid_from = {valid_from}" + (f"\nvalid_to = {valid_to}" if valid_to else "")
    text = text.replace("valid_from = 2020-01-01", dates).replace(
        'policy = "harbin-2026"', f'policy = "{name}"'
    )
    (folder / f"{name}.toml").write_text(text, "utf-8")


def test_the_policy_of_the_service_date_is_in_force(tmp_path: Path) -> None:
    write(tmp_path, "first", "2025-01-01", "2025-12-31")
    write(tmp_path, "second", "2026-01-01")
    book = load_book(tmp_path)
    assert book.in_force(date(2025, 1, 1)).name == "first"
    assert book.in_force(date(2025, 12, 31)).name == "first"
    assert book.in_force(date(2026, 1, 1)).name == "second"
    assert book.in_force(date.max).name == "second"
    with pytest.raises(NoPolicyError, match="2024-12-31"):
        book.in_force(date(2024, 12, 31))


@pytest.mark.parametrize(("second_from", "word"), [("2025-12-31", "overlaps"), ("2026-01-02", "gap")])
def test_policies_follow_each_other_without_overlap_and_gap(
    tmp_path: Path, second_from: str, word: str
) -> None:
    write(tmp_path, "first", "2025-01-01", "2025-12-31")
    write(tmp_path, "second", second_from)
    with pytest.raises(PolicyErrors, match=word):
        load_book(tmp_path)


def test_an_open_end_overlaps_everything_after_it(tmp_path: Path) -> None:
    write(tmp_path, "first", "2025-01-01")
    write(tmp_path, "second", "2026-01-01")
    with pytest.raises(PolicyErrors, match="overlaps first"):
        load_book(tmp_path)


def test_errors_of_all_files_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("points_per_hour = 1\n", "utf-8")
    (tmp_path / "b.toml").write_text("oops = 1\n", "utf-8")
    with pytest.raises(PolicyErrors) as refused:
        load_book(tmp_path)
    paths = [error.path for error in refused.value.errors]
    assert "a.toml: city" in paths
    assert "b.toml: oops" in paths


def test_an_empty_folder_is_no_book(tmp_path: Path) -> None:
    with pytest.raises(PolicyErrors, match="no policy"):
        load_book(tmp_path)


def test_the_shipped_book_covers_today_and_one_name_occurs_once() -> None:
    book = load_book(CONFIG)
    assert book.in_force(date(2026, 11, 22)).name == "harbin-2026"
    with pytest.raises(PolicyErrors, match="bear this name"):
        PolicyBook([*book.policies, *book.policies])
