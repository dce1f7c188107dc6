"""API under generated requests: no 5xx, and only responses that the OpenAPI document describes."""

import pytest
import redis
import schemathesis
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from tests.accounts.auth_factories import key_of, program, verified
from tests.market import factories

pytestmark = [pytest.mark.slow, pytest.mark.proof]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
BOUNDED = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
DOCUMENT = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = sorted((path, method) for path, methods in DOCUMENT["paths"].items() for method in methods)


def anonymous():
    return {}


def person():
    found = User.objects.filter(email="alice@example.org").first()
    return found or verified(User.objects.create_user("alice@example.org", "correct horse battery"))


def signed_in():
    """A new token for each request, because some requests revoke it."""
    return {"Authorization": f"Bearer {program(person()).pair.access}"}


def with_key():
    user = person()
    user.api_keys.all().delete()
    return {"Authorization": f"Bearer {key_of(user, scopes=('read', 'trade', 'bots'))[1]}"}


@pytest.fixture
def _one_connection(db):
    """Run the requests in the transaction of the test, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("credentials", [anonymous, signed_in, with_key])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_are_answered_as_documented(path, method, credentials):
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()
    factories.candles_make(factories.market_make().instruments.get(symbol="BTC"), 3)
    document = schemathesis.openapi.from_dict(DOCUMENT)
    document.app = get_wsgi_application()

    @BOUNDED
    @given(case=document[path][method].as_strategy())
    def ask(case):
        case.call_and_validate(checks=CHECKS, headers=credentials())

    ask()
