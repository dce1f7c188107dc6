"""A database of an older version is refused in one sentence; nothing of it is changed."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder


def test_a_database_of_an_older_version_is_refused_in_one_sentence(db):
    MigrationRecorder(connection).record_applied("wallets", "0015_stopped_by_admin")
    with pytest.raises(CommandError) as caught:
        call_command("migrate", verbosity=0)
    message = str(caught.value)
    assert "older version of CryptoTrade (migration wallets.0015_stopped_by_admin)" in message
    assert "start again" in message
    assert "\n" not in message


def test_migrations_of_other_packages_do_not_count(db):
    MigrationRecorder(connection).record_applied("a_package_that_was_removed", "0001_initial")
    call_command("migrate", verbosity=0)


def test_the_current_database_is_accepted(db):
    call_command("migrate", verbosity=0)


def test_a_database_without_the_table_of_an_app_that_was_split_off_is_refused_too(db):
    MigrationRecorder(connection).record_unapplied("core", "0001_initial")
    with pytest.raises(CommandError, match=r"older version of CryptoTrade \(Migration market\.0001_initial"):
        call_command("migrate", verbosity=0)
