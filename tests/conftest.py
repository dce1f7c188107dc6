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

# Tests that mostly wait for real processes start first, so that they run in parallel to CPU-bound tests.
FIRST = ("test_stack.py", "test_chaos.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in FIRST)


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
def open_folder():
    """A folder for a PostgreSQL that may run as another user; pytest's folders are private to this user."""
    folder = Path(tempfile.mkdtemp(prefix="cryptotrade-test-"))
    folder.chmod(0o755)
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
