"""Revocation: each event revokes all credentials: cookie, access and refresh token, key, socket, step-up.

Only one test waits for real time: at most five seconds for the periodic check of the web process. All
others call the check themselves.
"""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.core.cache import cache, caches
from django.db import connection
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from accounts.domain.permissions import Role
from accounts.models import AuditEntry, User
from accounts.selectors import live_credentials, session_find
from accounts.services import (
    SID,
    InvalidCredential,
    credentials_end_all,
    principal_from_session,
    principal_from_token,
    role_set,
    session_is_active,
    session_revoke,
    sessions_revoke_all,
    step_up_is_fresh,
    tokens_refresh,
    user_disable,
)
from market.hub.credential_monitor import PERIOD_SECONDS, CredentialMonitor
from tests.accounts.auth_factories import PASSWORDS, bearer, browser, key_of, program, request
from tests.stream.server import ServerThread

ME = "/api/v1/me"
transactional = pytest.mark.django_db(transaction=True)


class Holdings:
    """A user with one credential of each kind."""

    def __init__(self, user):
        self.user = user
        self.page = browser(user)
        self.program = program(user)
        self.pair = self.program.pair
        _, self.key = key_of(user)
        self.session_key = self.page.session.session_key
        self.sids = [self.page.session[SID], str(self.pair.session.sid)]

    def alive(self):
        """The names of the credentials that are still valid."""
        trials = {
            "cookie": lambda: self.page.get(ME).status_code == 200,
            "access token": lambda: self.program.get(ME).status_code == 200,
            "refresh token": self._refreshes,
            "key": lambda: bearer(self.key).get(ME).status_code == 200,
            "cookie on a socket": lambda: principal_from_session(self.session_key) is not None,
            "token on a socket": lambda: principal_from_token(self.pair.access) is not None,
            "key on a socket": lambda: principal_from_token(self.key) is not None,
            "proof": lambda: step_up_is_fresh(session_find(self.pair.session.sid)),
            "open socket": lambda: bool(live_credentials([f"session:{sid}" for sid in self.sids])),
        }
        return {name for name, works in trials.items() if works()}

    def _refreshes(self):
        try:
            tokens_refresh(refresh=self.pair.refresh, request=request())
        except InvalidCredential:
            return False
        return True


def by_logout_everywhere(user):
    assert program(user).post("/api/v1/auth/logout", {"everywhere": True}).status_code == 204


def by_password_change(user):
    change = {"current": PASSWORDS["alice"], "new": "an entirely new phrase"}
    assert program(user).post("/api/v1/auth/password", change).status_code == 204


def by_role_change(user):
    assert role_set(user=user, role=Role.SUPPORT, actor=None)


def by_disabling(user):
    assert user_disable(user=user, actor=None)


def by_deleting(user):
    credentials_end_all(user=user, reason="deleted", actor=user)
    user.delete()


EVENTS = [by_logout_everywhere, by_password_change, by_role_change, by_disabling, by_deleting]


@transactional
def test_everything_is_alive_before(alice):
    assert len(Holdings(alice).alive()) == 9


@transactional
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_after_the_event_nothing_is_alive(alice, event):
    held = Holdings(alice)
    assert held.page.get(ME).status_code == 200  # the cached result in Redis must not outlive the event
    event(alice)
    assert held.alive() == set()


@transactional
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_event_of_one_user_leaves_the_other_alone(alice, bob, event):
    held = Holdings(bob)
    event(alice)
    assert len(held.alive()) == 9


@transactional
def test_logging_out_of_a_page_ends_that_session_and_no_other(alice):
    held = Holdings(alice)
    held.page.post("/accounts/logout/")
    assert held.page.get(ME).status_code == 401
    assert principal_from_session(held.session_key) is None
    assert held.program.get(ME).status_code == 200
    assert AuditEntry.objects.filter(action="user.signed_out", actor=alice.pk).count() == 1


@transactional
def test_a_stolen_session_cookie_dies_with_the_logout_of_its_owner(alice):
    held = Holdings(alice)
    thief = browser(alice)
    thief.cookies = held.page.cookies.copy()
    assert thief.get(ME).status_code == 200
    held.page.post("/accounts/logout/")
    assert thief.get(ME).status_code == 401


@transactional
def test_a_session_ended_from_elsewhere_is_emptied_at_its_next_request(alice):
    page = browser(alice)
    session_revoke(sid=page.session[SID], reason="revoked", actor=alice)
    page.get("/market/")
    assert page.cookies["session"].value == ""


def test_a_session_without_a_row_is_anonymous(alice):
    page = browser(alice)
    store = page.session
    del store[SID]
    store.save()
    assert page.get(ME).status_code == 401


def test_the_session_cookie_data_of_another_user_gives_nothing(alice, bob):
    page = browser(alice)
    store = page.session
    store[SID] = str(program(bob).pair.session.sid)
    store.save()
    assert principal_from_session(store.session_key) is None
    assert page.get(ME).status_code == 401


@transactional
def test_ending_all_others_keeps_the_one_named(alice):
    held, other = Holdings(alice), program(alice)
    keep = held.page.session[SID]
    assert sessions_revoke_all(user=alice, reason="revoked", except_sid=keep, actor=alice) == 2
    assert held.page.get(ME).status_code == 200
    assert other.get(ME).status_code == 401
    assert bearer(held.key).get(ME).status_code == 200


def test_a_raw_password_change_ends_sessions_without_a_word(alice):
    held = Holdings(alice)
    user = User.objects.get(pk=alice.pk)
    user.set_password("changed in a shell")
    user.save()
    assert held.alive() <= {"key", "key on a socket"}


@transactional
def test_a_page_that_changed_its_password_goes_on(alice, rf):
    page = browser(alice)
    store = page.session
    alice.set_password("an entirely new phrase")
    alice.save()
    credentials_end_all(user=alice, reason="new password", except_sid=store[SID], actor=alice)
    changed = rf.get("/")
    changed.session, changed.user = store, alice
    update_session_auth_hash(changed, alice)
    changed.session.save()
    page.cookies["session"] = changed.session.session_key
    assert page.get(ME).status_code == 200


@transactional
def test_of_parallel_revocations_one_is_recorded(alice):
    sid = program(alice).pair.session.sid

    def revoke(_):
        try:
            return session_revoke(sid=sid, reason="revoked", actor=alice)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(revoke, range(6))) == [False] * 5 + [True]
    assert AuditEntry.objects.filter(action="session.revoked").count() == 1


@transactional
def test_a_refresh_that_races_a_revocation_leaves_nothing_open(alice):
    pair = program(alice).pair

    def refresh():
        try:
            return tokens_refresh(refresh=pair.refresh, request=request()).access
        except InvalidCredential:
            return None
        finally:
            connection.close()

    def revoke():
        try:
            session_revoke(sid=pair.session.sid, reason="revoked", actor=alice)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        racing = pool.submit(refresh)
        pool.submit(revoke).result()
    access = racing.result()
    assert access is None or bearer(access).get(ME).status_code == 401


# --- cached session state --------------------------------------------------------------------------------
@transactional
def test_a_yes_is_remembered_for_two_seconds_at_most(alice):
    session = program(alice).pair.session
    assert session_is_active(session.sid)
    redis = Redis.from_url(settings.REDIS_URL)
    assert 0 < redis.pttl(cache.make_key(f"session-live:{session.sid}")) <= 2000
    session_revoke(sid=session.sid, reason="revoked", actor=None)
    assert not session_is_active(session.sid)


def test_without_redis_postgresql_is_asked(alice, monkeypatch):
    session = program(alice).pair.session

    def down(*_, **__):
        raise RedisDown("away")

    for name in ("get", "set", "add", "delete_many"):
        monkeypatch.setattr(type(caches["default"]), name, down)
    assert session_is_active(session.sid)
    assert session_revoke(sid=session.sid, reason="revoked", actor=alice)
    assert not session_is_active(session.sid)


# --- open sockets ----------------------------------------------------------------------------------------
class FakeClient:
    def __init__(self, credential=None, until=None):
        self.credential, self.until = credential, until
        self.sent, self.code = [], None

    def write(self, text):
        self.sent.append(json.loads(text))

    def close(self, code):
        self.code = code


def checked(clients, live, now=0.0):
    monitor = CredentialMonitor(clients)
    monitor.ask = lambda handles: set(live) & set(handles)
    asyncio.run(monitor.check(now))


def test_the_monitor_closes_a_socket_with_a_revoked_credential_after_an_error():
    ended, stands, visitor = FakeClient("session:1"), FakeClient("session:2"), FakeClient()
    checked({ended, stands, visitor}, {"session:2"})
    assert (ended.code, ended.sent[0]["code"]) == (1008, "unauthenticated")
    assert (stands.code, visitor.code) == (None, None)


def test_the_monitor_closes_a_socket_with_an_expired_token():
    over, not_yet, never = FakeClient("a", until=99.0), FakeClient("a", until=101.0), FakeClient("a")
    checked({over, not_yet, never}, {"a"}, now=100.0)
    assert [client.code for client in (over, not_yet, never)] == [1008, None, None]


def test_the_monitor_keeps_a_socket_that_signed_in_again():
    client = FakeClient("old")
    monitor = CredentialMonitor({client})

    def ask(handles):
        client.credential = "new"
        return set()

    monitor.ask = ask
    asyncio.run(monitor.check(0.0))
    assert client.code is None


def test_the_monitor_queries_nothing_for_anonymous_sockets():
    monitor = CredentialMonitor({FakeClient()})
    monitor.ask = lambda handles: pytest.fail("no socket is signed in")
    asyncio.run(monitor.check(0.0))


def test_the_monitor_polls_often_enough():
    assert PERIOD_SECONDS <= 3


@pytest.fixture
def server(transactional_db):
    with ServerThread() as running:
        yield running


@pytest.fixture
def sockets(server):
    """`sockets(holdings)`: one open socket per authentication method, each subscribed to `me`."""
    with ExitStack() as stack:

        def dial(held):
            headers = {
                "cookie": {"Cookie": f"session={held.session_key}"},
                "token": {"Authorization": f"Bearer {held.pair.access}"},
                "token in a cookie": {"Cookie": f"access={held.pair.access}"},
                "key": {"Authorization": f"Bearer {held.key}"},
            }
            opened = {
                name: stack.enter_context(
                    connect(server.stream_url, additional_headers=header, compression=None)
                )
                for name, header in headers.items()
            }
            for socket in opened.values():
                socket.send(json.dumps({"op": "subscribe", "topic": "me"}))
                assert answers(socket)
            return opened

        yield dial


def answers(socket):
    """Whether a ping is answered; by then every earlier command has been processed."""
    socket.send(json.dumps({"op": "ping"}))
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        if json.loads(socket.recv(8)) == {"op": "pong"}:
            return True
    return False


def last_message(socket):
    """Code of the last message and the server's close code, within eight seconds."""
    received = []
    deadline = time.monotonic() + 8
    with suppress(ConnectionClosed):
        while time.monotonic() < deadline:
            received.append(json.loads(socket.recv(8)))
    return received[-1].get("code"), socket.protocol.close_code


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_event_closes_every_open_socket(server, sockets, alice, bob, event):
    held, other = sockets(Holdings(alice)), sockets(Holdings(bob))
    event(alice)
    server.call(server.hub.guard.check(time.time()))
    assert {name: last_message(socket) for name, socket in held.items()} == dict.fromkeys(
        held, ("unauthenticated", 1008)
    )
    for socket in other.values():
        assert answers(socket)


def test_the_web_process_closes_revoked_sockets_within_five_seconds(sockets, alice):
    opened = sockets(Holdings(alice))
    began = time.monotonic()
    user_disable(user=alice, actor=None)
    assert {last_message(socket) for socket in opened.values()} == {("unauthenticated", 1008)}
    assert time.monotonic() - began < 5


def test_a_fresh_token_keeps_a_socket_open(server, alice):
    first, second = program(alice).pair, program(alice).pair
    with connect(server.stream_url, compression=None) as socket:
        for pair in (first, second):
            socket.send(json.dumps({"op": "auth", "token": pair.access}))
            assert json.loads(socket.recv(8)) == {"op": "ok", "user": str(alice.pk)}
        session_revoke(sid=first.session.sid, reason="revoked", actor=alice)
        server.call(server.hub.guard.check(time.time()))
        assert answers(socket)


def test_an_ended_credential_opens_no_socket(server, alice):
    held = Holdings(alice)
    user_disable(user=alice, actor=None)
    for secret in (held.pair.access, held.key):
        with connect(
            server.stream_url, additional_headers={"Authorization": f"Bearer {secret}"}, compression=None
        ) as socket:
            assert last_message(socket) == ("unauthenticated", 1008)


def test_a_key_that_may_not_read_opens_no_private_stream(server, alice):
    _, secret = key_of(alice, ["trade"])
    with connect(
        server.stream_url, additional_headers={"Authorization": f"Bearer {secret}"}, compression=None
    ) as socket:
        assert last_message(socket) == ("unauthenticated", 1008)
