"""The quarter of a city that the acceptance data describes, unpacked once per test session."""

import tarfile
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).parent.parent / "data" / "harbin-quarter.tar.xz"


@pytest.fixture(scope="session")
def harbin_quarter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the data set, with its input files and the expected results."""
    folder = tmp_path_factory.mktemp("data")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "harbin-quarter"
