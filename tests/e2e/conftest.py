"""Fixture `stack`: one running stack, shared by all end-to-end tests that kill nothing."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.e2e.stack import Stack, running


@pytest.fixture(scope="session")
def stack():
    """A stack started as `make run` does, in a folder that PostgreSQL may read as another user."""
    folder = Path(tempfile.mkdtemp(prefix="cryptotrade-test-"))
    with running(Stack(folder)) as stack:
        yield stack
        assert stack.interrupt() == 0
        assert stack.processes() == []
    shutil.rmtree(folder, ignore_errors=True)
