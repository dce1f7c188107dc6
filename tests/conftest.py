"""The cast: alice owns things, bob is another trader, and neither may see the other's."""

import pytest

from accounts.models import User


@pytest.fixture(autouse=True)
def _fast_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice@example.org", "correct horse battery")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob@example.org", "staple horse battery")
