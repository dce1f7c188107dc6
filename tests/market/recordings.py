"""Recorded market data for replay tests. The files are outside the project directory and optional."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


def recorded(pattern: str) -> list[Path]:
    """The matching files, sorted; skips the test when there are none on this machine."""
    found = sorted(FOLDER.glob(pattern))
    if not found:
        pytest.skip(f"no recorded data ({pattern}) beside the project")
    return found
