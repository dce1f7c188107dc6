"""Embedded services: addresses, choice of the Redis binary, start and stop."""

import pytest
import redis

from cryptotrade import embedded
from cryptotrade.embedded import EmbeddedPostgres, EmbeddedRedis, ServiceUnavailable, services_at


def test_addresses_are_a_function_of_the_folder(tmp_path):
    assert services_at(tmp_path) == services_at(tmp_path)
    assert services_at(tmp_path).redis_url.startswith("unix://")
    assert services_at(tmp_path) != services_at(tmp_path / "other")


def test_a_folder_too_deep_for_a_unix_socket_gets_a_short_one(tmp_path):
    deep = tmp_path / ("d" * 120)
    socket = services_at(deep).redis_url.removeprefix("unix://")
    assert len(socket) < 100


def _server(folder, name, version):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
    path.chmod(0o755)
    return path


def test_the_newest_redis_is_taken(tmp_path, monkeypatch):
    old, new = _server(tmp_path, "redis-server", "97.0.1"), _server(tmp_path, "valkey-server", "99.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.redis_binary() == new
    new.unlink()
    assert embedded.redis_binary() == old


def test_without_any_redis_it_says_what_to_install(tmp_path, monkeypatch):
    _server(tmp_path, "redis-server", "5.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(ServiceUnavailable, match="install redis-server"):
        embedded.redis_binary()


def test_redis_starts_answers_and_stops(tmp_path):
    server = EmbeddedRedis(tmp_path)
    server.start()
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        assert client.ping()
    assert server.alive()
    assert server.pid
    second = EmbeddedRedis(tmp_path)
    second.start()  # reuses the running server
    assert second.pid is None
    assert second.alive()
    server.stop()
    assert not second.alive()


def test_postgres_starts_twice_on_the_same_data_and_keeps_them(stack_folder):
    import psycopg

    url = services_at(stack_folder).database_url
    server = EmbeddedPostgres(stack_folder)
    server.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    assert server.alive()
    server.stop()
    again = EmbeddedPostgres(stack_folder)
    again.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
    again.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
