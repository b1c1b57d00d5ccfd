"""What the documents say is true: paths exist, refusals are explained, nothing points outside or home."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pointsbank.ledger.refusals import PRECEDENCE

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PATH = re.compile(r"`((?:src|tests|docs|config|migrations|requirements|\.ci)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists()]
    missing += [name for name in LINK.findall(text) if not (document.parent / name).exists()]
    assert not missing


def test_every_refusal_has_its_heading_in_the_order_of_precedence() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    codes = [str(refusal.__struct_config__.tag) for refusal in PRECEDENCE]
    places = [text.find(f"## {code}\n") for code in codes]
    assert all(place >= 0 for place in places), [c for c, p in zip(codes, places, strict=True) if p < 0]
    assert places == sorted(places)


def test_no_file_names_a_registry_or_a_machine() -> None:
    hosts = (
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "registry.npmjs" + ".org",
        "/ro" + "ot/",
        "/wo" + "rk/",
    )
    for path in tracked():
        if path.suffix in {".xz", ".png", ".woff2"} or path.name == "LICENSE":
            continue
        text = path.read_text("utf-8", errors="replace")
        for host in hosts:
            assert host not in text, f"{path.relative_to(ROOT)} names {host}"


def test_locked_requirements_have_hashes_and_no_addresses() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert "://" not in text
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in block for block in blocks), path.name


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b|raise NotImplemented" + r"Error")
    for path in tracked():
        if path.suffix in {".py", ".toml", ".html", ".css"} and "seed" not in path.name:
            assert not later.search(path.read_text("utf-8")), path.relative_to(ROOT)


def test_files_fit_in_a_head() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "src").rglob("*.py")
        if (lines := path.read_text("utf-8").count("\n")) > 500
    }
    assert not long
