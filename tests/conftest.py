"""The cast: alice owns things, bob is another trader, and neither may see the other's."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from hypothesis import HealthCheck, settings

from accounts.models import User
from market import leases

TRUNCATE_GUARDS = (
    ("accounts_auditentry", "accounts_audit_no_truncate"),
    ("accounts_audithead", "accounts_audit_head_no_truncate"),
    *(
        (f"wallets_{table}", f"wallets_{table}_no_truncate")
        for table in ("ledgertransfer", "ledgerentry", "fill")
    ),
    *((f"bots_{table}", f"bots_{table}_no_truncate") for table in ("bottransfer", "botentry")),
)


# Nothing is timed here: a machine with other work is slow for as long as it likes.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# These wait for real processes most of the time: begun first, they do so beside tests that compute.
FIRST = ("test_house.py", "test_chaos.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in FIRST)


@pytest.fixture(autouse=True)
def _in_a_hurry(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Every test client loads the middleware anew: static files are looked for when they are asked for.
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _leases_outlive_a_test(monkeypatch):
    """Nobody renews those of workers that a test plays itself; a busy machine would end them half-way."""
    monkeypatch.setattr(leases, "LEASE", timedelta(minutes=30))


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice@example.org", "correct horse battery")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob@example.org", "staple horse battery")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """A test inside a transaction may wait for something else as long as it takes."""
    del connection.settings_dict["OPTIONS"]["options"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The audit trail refuses TRUNCATE, which is how transactional tests clean up after themselves."""
    if not _there_is_a_test_database():
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table, trigger in TRUNCATE_GUARDS:
            cursor.execute(f"ALTER TABLE IF EXISTS {table} DISABLE TRIGGER {trigger}")


@pytest.fixture(scope="module")
def open_folder():
    """A folder for a PostgreSQL that may run as another user than we do: pytest's own are for us alone."""
    folder = Path(tempfile.mkdtemp(prefix="cryptotrade-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _last_ones_out(django_db_setup, django_db_blocker):
    """Servers and threads under test may still hold a pooled connection; the database could not be dropped."""
    yield
    if not _there_is_a_test_database():
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _there_is_a_test_database():
    """pytest-django makes none when no chosen test asks for one: the connection would be the house's own."""
    return connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX)
