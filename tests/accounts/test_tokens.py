"""Token pairs: claims, refused tokens, rotation and detection of a reused refresh token."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import AuditEntry, AuthSession
from accounts.services import InvalidCredential, tokens, tokens_refresh
from tests.accounts.auth_factories import bearer, program, request

ME = "/api/v1/me"


def claims(token, **changes):
    read = jwt.decode(token, options={"verify_signature": False})
    return {name: value for name, value in {**read, **changes}.items() if value is not None}


def signed(body, key=None, algorithm="HS256"):
    return jwt.encode(body, settings.SIMPLE_JWT["SIGNING_KEY"] if key is None else key, algorithm=algorithm)


def age_rotation(session, seconds):
    AuthSession.objects.filter(pk=session.pk).update(
        refresh_rotated_at=timezone.now() - timedelta(seconds=seconds)
    )


def test_an_access_token_lives_thirty_minutes_and_names_its_session(alice):
    client = program(alice)
    body = claims(client.pair.access)
    assert body["exp"] - body["iat"] == 30 * 60
    assert body["sid"] == str(client.pair.session.sid)
    assert (body["aud"], body["iss"], body["token_type"]) == ("cryptotrade", "cryptotrade", "access")
    assert client.get(ME).json()["email"] == alice.email


def test_a_refresh_token_lives_seven_days(alice):
    body = claims(program(alice).pair.refresh)
    assert body["exp"] - body["iat"] == 7 * 24 * 3600


def test_tokens_are_not_signed_with_the_key_of_django(alice):
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(
            program(alice).pair.access, settings.SECRET_KEY, algorithms=["HS256"], audience="cryptotrade"
        )


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"iss": "another-service"},
        {"exp": 1},
        {"exp": None},
        {"sid": None},
        {"sid": "not-a-uuid"},
        {"sid": "00000000-0000-4000-8000-000000000000"},
        {"user_id": "00000000-0000-4000-8000-000000000000"},
        {"token_type": "refresh"},
        {"token_type": None},
        {"jti": None},
    ],
    ids=str,
)
def test_an_access_token_with_one_claim_wrong_is_refused(alice, change):
    client = program(alice)
    assert bearer(signed(claims(client.pair.access))).get(ME).status_code == 200
    assert bearer(signed(claims(client.pair.access, **change))).get(ME).status_code == 401


def test_no_algorithm_and_other_algorithms_are_refused(alice):
    body = claims(program(alice).pair.access)
    for token in (
        signed(body, key="", algorithm="none"),
        signed(body, algorithm="HS512"),
        signed(body, key=settings.SECRET_KEY),
    ):
        assert bearer(token).get(ME).status_code == 401


def test_a_refresh_token_is_no_access_token_and_the_other_way_round(alice):
    client = program(alice)
    assert bearer(client.pair.refresh).get(ME).status_code == 401
    with pytest.raises(InvalidCredential):
        tokens_refresh(refresh=client.pair.access, request=request())


def test_a_token_of_the_library_without_a_session_is_refused(alice):
    assert bearer(AccessToken.for_user(alice)).get(ME).status_code == 401


def test_a_bad_bearer_is_refused_and_told_how_to_sign_in(db):
    response = bearer("nonsense").get(ME)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["error"]["code"] == "AUTHENTICATION_ERROR"


def test_refreshing_gives_a_new_pair_of_the_same_session(alice):
    client = program(alice)
    answer = APIClient().post("/api/v1/auth/refresh", {"refresh": client.pair.refresh}).json()
    assert claims(answer["refresh"])["jti"] != claims(client.pair.refresh)["jti"]
    assert claims(answer["access"])["sid"] == str(client.pair.session.sid)
    assert bearer(answer["access"]).get(ME).status_code == 200
    assert answer["expires_in"] == 1800


def test_two_tabs_that_refresh_within_ten_seconds_get_the_same_successor(alice):
    first = program(alice).pair
    one = tokens_refresh(refresh=first.refresh, request=request())
    age_rotation(first.session, 9)
    two = tokens_refresh(refresh=first.refresh, request=request())
    assert claims(one.refresh)["jti"] == claims(two.refresh)["jti"]
    assert tokens_refresh(refresh=two.refresh, request=request()).session.sid == first.session.sid


def test_a_replayed_refresh_token_ends_the_whole_session(alice):
    client = program(alice)
    newer = tokens_refresh(refresh=client.pair.refresh, request=request())
    age_rotation(client.pair.session, 11)
    replay = APIClient().post("/api/v1/auth/refresh", {"refresh": client.pair.refresh})
    assert replay.status_code == 401
    assert bearer(newer.access).get(ME).status_code == 401
    with pytest.raises(InvalidCredential):
        tokens_refresh(refresh=newer.refresh, request=request())
    assert AuditEntry.objects.filter(action="token.reuse_detected").count() == 1


def test_a_refresh_token_two_generations_old_ends_the_session_at_once(alice):
    first = program(alice).pair
    second = tokens_refresh(refresh=first.refresh, request=request())
    third = tokens_refresh(refresh=second.refresh, request=request())
    with pytest.raises(InvalidCredential):
        tokens_refresh(refresh=first.refresh, request=request())
    assert bearer(third.access).get(ME).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_two_refreshes_never_rotate_from_the_same_row(alice, monkeypatch):
    """Both threads wait for each other between reading and updating the row: only a lock separates them."""
    first = program(alice).pair
    meeting = Barrier(2)
    rotate = tokens._rotate

    def slow(*arguments):
        with suppress(BrokenBarrierError):
            meeting.wait(0.5)
        return rotate(*arguments)

    def refresh(_):
        try:
            return claims(tokens_refresh(refresh=first.refresh, request=request()).refresh)["jti"]
        finally:
            connection.close()

    monkeypatch.setattr(tokens, "_rotate", slow)
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(refresh, range(2)))) == 1


@pytest.mark.django_db(transaction=True)
def test_of_parallel_refreshes_with_one_token_all_agree_on_the_successor(alice):
    first = program(alice).pair

    def refresh(_):
        try:
            return claims(tokens_refresh(refresh=first.refresh, request=request()).refresh)["jti"]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        successors = set(pool.map(refresh, range(6)))
    session = AuthSession.objects.get(pk=first.session.pk)
    assert successors == {session.refresh_jti}
    assert session.revoked_at is None


def test_a_changed_password_ends_tokens_even_without_revocation(alice):
    client = program(alice)
    alice.set_password("another horse battery")
    alice.save()
    assert client.get(ME).status_code == 401
    with pytest.raises(InvalidCredential):
        tokens_refresh(refresh=client.pair.refresh, request=request())


@pytest.mark.parametrize("field", ["created_at", "last_seen_at"])
def test_a_session_ends_by_age_and_by_idleness(alice, field):
    client = program(alice)
    age = timedelta(days=31 if field == "created_at" else 15)
    AuthSession.objects.update(**{field: timezone.now() - age})
    assert client.get(ME).status_code == 401


def test_refresh_tokens_are_not_kept(alice):
    first = program(alice).pair
    second = tokens_refresh(refresh=first.refresh, request=request())
    row = str(AuthSession.objects.values().get(pk=first.session.pk))
    for token in (first.refresh, second.refresh, second.access):
        assert token not in row
        assert token.rpartition(".")[2] not in row
