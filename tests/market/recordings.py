"""Recorded market data of `settings.RECORDINGS_DIR`. The files are not part of the project and optional.

A test that needs a missing file is skipped with the reason; with `REQUIRE_RECORDINGS=1` (as in `.ci/run`) it fails.
"""

import os
from pathlib import Path

import pytest
from django.conf import settings


def recorded(pattern: str) -> list[Path]:
    """The matching files or folders, sorted; skips the test when there are none on this machine."""
    return sorted(settings.RECORDINGS_DIR.glob(pattern)) or absent(f"no recorded data match {pattern}")


def absent(reason: str):
    """Skip the current test because recorded data are missing, or fail it where they are required."""
    if os.environ.get("REQUIRE_RECORDINGS") == "1":
        pytest.fail(f"{reason} in {settings.RECORDINGS_DIR}")
    pytest.skip(reason)
