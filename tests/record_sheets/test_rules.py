"""The words and limits of sheets are read strictly, and the keys that sign are kept like keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsbank.policy.load import PolicyErrors
from pointsbank.record_sheets.opening import signer_of
from pointsbank.record_sheets.rules import parse_rules, rules_at
from pointsbank.record_sheets.signing import SheetKeyError, is_signed, make_key, signer_at
from pointsbank.settings import Settings

SHIPPED = Path(__file__).parents[2] / "config" / "record-sheet.toml"


def test_the_shipped_rules_are_those_of_the_law() -> None:
    rules = rules_at()
    assert rules == rules_at(str(SHIPPED))
    assert (rules.title, rules.name_tries_an_hour) == ("志愿服务记录单", 5)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("title = 5", "title"),
        ("valid_days = 0", "valid_days"),
        ('fonts = "SimSun"', "fonts"),
        ("surprise = true", "surprise"),
        ("not toml", ""),
    ],
)
def test_every_wrong_word_of_the_rules_is_named(wrong: str, named: str) -> None:
    key = wrong.partition(" ")[0]
    kept = "\n".join(
        line for line in SHIPPED.read_text("utf-8").splitlines() if not line.startswith(f"{key} =")
    )
    with pytest.raises(PolicyErrors) as told:
        parse_rules(f"{kept}\n{wrong}\n", "sheet.toml")
    assert named in str(told.value)


def test_an_older_key_proves_what_it_signed_when_a_new_one_signs(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    signed = make_key(old).sign(b"text")
    make_key(new)
    new.write_text(new.read_text() + old.read_text())
    both = signer_at(new)
    first, second = both.public_keys
    assert (signed.key_id, both.sign(b"text").key_id) == (second.id, first.id)
    assert is_signed(b"text", signed.octets, second.pem)
    assert not is_signed(b"text", signed.octets, first.pem)
    assert "Private" not in repr(both)


def test_a_key_file_is_not_lost_not_read_by_others_and_not_mistyped(tmp_path: Path) -> None:
    path = tmp_path / "key"
    make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_key(path)
    text = path.read_text()
    path.chmod(0o644)
    with pytest.raises(SheetKeyError, match="600"):
        signer_at(path)
    path.chmod(0o600)
    for wrong in ("", "# nothing\n", text.replace("pbs1.", "pbs2."), text.replace("pbs1.", "pbs1.0")):
        path.write_text(wrong)
        with pytest.raises(SheetKeyError) as told:
            signer_at(path)
        assert "pbs1." not in str(told.value)


def test_only_the_demo_makes_a_key_by_itself(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    assert signer_of(Settings(database=url)) is None
    assert signer_of(Settings(database="postgresql://x/y")) is None
    with pytest.raises(SheetKeyError, match="make-key"):
        signer_of(Settings(database=url, sheet_key=str(tmp_path / "none")))
    made = signer_of(Settings(database=url, demo=True))
    again = signer_of(Settings(database=url))
    assert made is not None
    assert again is not None
    assert made.public_keys == again.public_keys
