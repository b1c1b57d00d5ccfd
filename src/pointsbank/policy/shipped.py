"""Where the policies lie that come with the program."""

from pathlib import Path


def shipped_folder() -> Path:
    """The folder of dated policies: beside the sources in a checkout, inside the package in an installed wheel."""
    package = Path(__file__).parents[1]
    beside = package.parents[1] / "config" / "policy"
    return beside if beside.is_dir() else package / "config" / "policy"
