"""Staff act as such only with a verified second factor: through pages, the API and keys alike."""

import pytest
from django.utils import timezone

from accounts.domain.permissions import Role
from accounts.models import ApiKey, AuthSession
from accounts.selectors import acting_role, role_of
from accounts.services import SID, role_set
from tests.accounts.auth_factories import bearer, browser, key_of, program
from tests.wallets.factories import world_make


@pytest.fixture
def world(alice):
    return world_make(alice)


@pytest.fixture(params=[Role.SUPPORT, Role.ADMINISTRATOR])
def staff(bob, request):
    role_set(user=bob, role=request.param, actor=None)
    bob.refresh_from_db()
    return bob


@pytest.fixture
def administrator(bob):
    role_set(user=bob, role=Role.ADMINISTRATOR, actor=None)
    bob.refresh_from_db()
    return bob


def by_token(user):
    return program(user), AuthSession.objects.filter(user=user, kind="api")


def by_session(user):
    client = browser(user)
    return client, AuthSession.objects.filter(sid=client.session[SID])


def pass_second_factor(sessions, *, fresh=True):
    sessions.update(second_factor_at=timezone.now(), step_up_at=timezone.now() if fresh else None)


@pytest.mark.parametrize("sign_in", [by_token, by_session])
def test_wallets_and_orders_of_traders_need_the_second_factor(world, staff, sign_in):
    order = world.place()
    client, sessions = sign_in(staff)
    urls = [f"/api/v1/wallets/{world.wallet.pk}", f"/api/v1/orders/{order.pk}"]
    assert [client.get(url).status_code for url in urls] == [404, 404]
    assert client.get("/api/v1/wallets").json()["results"] == []
    pass_second_factor(sessions)
    assert [client.get(url).status_code for url in urls] == [200, 200]


def test_an_api_key_never_has_the_role_of_its_owner(world, staff):
    pass_second_factor(AuthSession.objects.filter(user=staff))
    _, secret = key_of(staff)
    assert bearer(secret).get(f"/api/v1/wallets/{world.wallet.pk}").status_code == 404


def test_on_pages_the_role_counts_with_the_second_factor_of_the_session(staff, client):
    client.force_login(staff)
    assert acting_role(client.get("/account/").wsgi_request.user) is Role.TRADER
    pass_second_factor(AuthSession.objects.filter(sid=client.session[SID]))
    assert acting_role(client.get("/account/").wsgi_request.user) is role_of(staff)


@pytest.mark.parametrize("sign_in", [by_token, by_session])
def test_revoking_credentials_of_others_needs_a_second_factor_and_a_fresh_proof(
    alice, administrator, sign_in
):
    key, _ = key_of(alice)
    session = program(alice).pair.session
    client, sessions = sign_in(administrator)
    urls = [f"/api/v1/api-keys/{key.pk}", f"/api/v1/auth/sessions/{session.sid}"]

    def answers():
        return [client.delete(url).status_code for url in urls]

    sessions.update(step_up_at=timezone.now())
    assert answers() == [404, 404]
    pass_second_factor(sessions, fresh=False)
    assert answers() == [403, 403]
    assert client.delete(urls[0]).json()["error"]["code"] == "REAUTH_REQUIRED"
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None
    pass_second_factor(sessions)
    assert answers() == [204, 204]


def test_own_credentials_need_no_fresh_proof(alice):
    key, _ = key_of(alice)
    assert program(alice, fresh=False).delete(f"/api/v1/api-keys/{key.pk}").status_code == 204
