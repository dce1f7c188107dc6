"""Where recorded markets lie beside the project, for tests that replay them. They are not part of it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


def recorded(pattern: str) -> list[Path]:
    """Files that match, in order; the test is skipped when there are none on this machine."""
    found = sorted(FOLDER.glob(pattern))
    if not found:
        pytest.skip(f"no recorded data ({pattern}) beside the project")
    return found
