"""Vulnerable releases of Redis and Valkey are refused in production, and only there."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from core import redis_versions
from core.redis_versions import is_vulnerable, refuse_vulnerable_redis, server_name


@pytest.mark.parametrize(
    ("name", "vulnerable"),
    [
        ("redis 6.2.14", True), ("redis 6.2.20", False), ("redis 7.0.15", True), ("redis 7.2.10", True),
        ("redis 7.2.11", False), ("redis 7.4.5", True), ("redis 8.0.4", False), ("redis 8.2.1", True),
        ("redis 8.2.2", False), ("redis 8.4.0", False), ("redis 5.0.9", True), ("valkey 7.2.10", True),
        ("valkey 8.1.4", False), ("valkey 8.1.3", True), ("valkey 9.1.2", False), ("dragonfly 1.2.3", True),
        ("redis unknown", True), ("redis 255.255.255", False),
    ],
)  # fmt: skip
def test_the_first_fixed_release_of_each_branch(name, vulnerable):
    assert is_vulnerable(name) is vulnerable


def test_the_name_of_each_product():
    assert server_name({"redis_version": "7.2.4"}) == "redis 7.2.4"
    assert (
        server_name({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"})
        == "valkey 9.1.2"
    )


def test_a_vulnerable_server_is_refused_in_production_only(settings, monkeypatch):
    monkeypatch.setattr(redis_versions, "server_name", lambda info: "redis 6.2.14")
    refuse_vulnerable_redis()
    settings.PRODUCTION = True
    with pytest.raises(ImproperlyConfigured, match=r"redis 6\.2\.14 has known vulnerabilities"):
        refuse_vulnerable_redis()
    monkeypatch.setenv("REDIS_PATCHED", "1")
    refuse_vulnerable_redis()


def test_a_server_that_does_not_answer_is_reported(settings, caplog):
    settings.PRODUCTION = True
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    refuse_vulnerable_redis()
    assert "version is not verified" in caplog.text


@pytest.mark.parametrize("command", ["web", "run_worker"])
def test_the_processes_check_it_at_start(command, settings, monkeypatch):
    from django.core.management import call_command

    settings.PRODUCTION = True
    monkeypatch.setattr(redis_versions, "server_name", lambda info: "redis 6.2.14")
    with pytest.raises(ImproperlyConfigured, match="known vulnerabilities"):
        call_command(command, *(["market-feed"] if command == "run_worker" else []), skip_checks=True)
