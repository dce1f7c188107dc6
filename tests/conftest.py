"""Shared fixtures: the users alice (owner of the test objects) and bob (another trader), test database."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pgtrigger
import pytest
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from hypothesis import HealthCheck, settings

from accounts.models import User
from core import leases
from tests.strict_templates import strict_templates

TRUNCATE_GUARDS = [
    (model._meta.db_table, trigger.get_pgid(model))
    for model, trigger in pgtrigger.registered()
    if pgtrigger.Truncate in trigger.operation
]

# No deadlines: a test must not fail because the machine is busy.
settings.register_profile("cryptotrade", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cryptotrade")

ROOT = Path(__file__).resolve().parents[1]
# The longest first, by measured duration: then no worker is left with a long file at the end.
FIRST = (
    "tests/e2e",
    "tests/browser/test_trading.py",
    "tests/browser/test_market.py",
    "tests/accounts/test_route_matrix.py",
    "tests/simulator/test_run_simulator.py",
    "tests/cryptotrade/test_schemathesis.py",
    "tests/benchmarks/test_bench.py",
    "tests/browser/test_accounts.py",
    "tests/browser/test_bots.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: _turn(item.path.relative_to(ROOT).as_posix()))


def _turn(path):
    return next((number for number, first in enumerate(FIRST) if path.startswith(first)), len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By file, but in one process all end-to-end tests that share a running stack.

    Not by `xdist_group`: pytest-xdist 3.8 ignores groups under pytest 9.2 (pytest-xdist issue 1386).
    """
    from xdist.scheduler import LoadFileScheduling

    class Distribution(LoadFileScheduling):
        def _split_scope(self, nodeid):
            path = super()._split_scope(nodeid)
            shared = path.startswith("tests/e2e/") and not path.endswith("test_chaos.py")
            return "tests/e2e" if shared else path

    return Distribution(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def _fast_settings(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Every test client loads the middleware again: static files are searched on request, not at start.
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _leases_outlive_a_test(monkeypatch):
    """Long leases: tests that act as a worker do not renew them, and they would expire on a busy machine."""
    monkeypatch.setattr(leases, "LEASE", timedelta(minutes=30))


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice@example.org", "correct horse battery")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob@example.org", "staple horse battery")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """No idle timeout: a test inside a transaction may wait for other processes as long as necessary."""
    del connection.settings_dict["OPTIONS"]["options"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Disable the triggers that refuse TRUNCATE: transactional tests clean up by it."""
    if not _has_test_database():
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table, trigger in TRUNCATE_GUARDS:
            cursor.execute(f"ALTER TABLE IF EXISTS {table} DISABLE TRIGGER {trigger}")


@pytest.fixture(scope="module")
def stack_folder():
    """A folder with a path that is short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="cryptotrade-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _terminate_connections(django_db_setup, django_db_blocker):
    """End connections that servers and threads under test still hold, so that the database can be dropped."""
    yield
    if not _has_test_database():
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _has_test_database():
    """False if no selected test uses the database: then the connection is not that of a test database."""
    return connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX)


@pytest.fixture(scope="session", autouse=True)
def _strict_templates():
    strict_templates()
