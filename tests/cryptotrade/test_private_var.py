"""Another user of the machine gets nothing from `var/`: no file, no socket, no name; and no cache runs code."""

import os
import pickle
import stat
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import orjson
import pytest
import redis
from django.conf import settings
from django.core.cache import caches

from cryptotrade.cache import JsonSerializer
from cryptotrade.embedded import EmbeddedPostgres, EmbeddedRedis, ServiceUnavailable, services_at
from cryptotrade.private_folders import NotPrivate, allow_traversal, make_private, private_directory

OTHER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

# Everything that a process of another user may try, printed as "act: outcome".
PROBES = """
import os, pathlib, socket, sys
import psycopg
# The interpreter itself may lie in a private folder: it is started by this user, who then becomes the other one.
os.setgroups([]); os.setgid(65534); os.setuid(65534)
var = pathlib.Path(sys.argv[1]); sockets = [pathlib.Path(path) for path in sys.argv[2:]]
def probe(name, act):
    try:
        outcome = act()
    except (OSError, psycopg.Error) as refused:
        outcome = "refused"
    print(f"{name}: {outcome}")
def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    return "connected"
probe("list var", lambda: os.listdir(var))
for folder in ("run", "run/postgres", "postgres", "secrets", "log", "mail"):
    probe(f"list {folder}", lambda: os.listdir(var / folder))
    probe(f"write {folder}", lambda: (var / folder / "planted").write_text("x"))
for path in ("secrets/secret_key", "log/web.log", "mail/code.log", "postgres/PG_VERSION", "postgres/pg_hba.conf"):
    probe(f"read {path}", lambda: (var / path).read_bytes())
for path in sockets:
    probe(f"connect {path.name}", lambda: connect(path))
    probe(f"rename {path.name}", lambda: path.rename(path.with_name("other")))
    probe(f"rename folder of {path.name}", lambda: path.parent.rename(path.parent.with_name("other")))
    probe(f"replace {path.name}", lambda: path.unlink())
for role in ("postgres", "cryptotrade", "cryptotrade_execution", "root"):
    probe(f"database as {role}", lambda: psycopg.connect(host=str(sockets[0].parent), user=role, dbname="cryptotrade"))
"""


@pytest.fixture(scope="module")
def running(stack_folder):
    """A `var` with loose rights from an older version, then with running servers and the files of the processes."""
    for path in ("secrets/secret_key", "log/web.log", "mail/code.log"):
        file = stack_folder / path
        file.parent.mkdir(mode=0o755, exist_ok=True)
        file.write_text("secret")
        file.chmod(0o644)
    stack_folder.chmod(0o755)
    make_private(stack_folder)
    postgres, cache = EmbeddedPostgres(stack_folder), EmbeddedRedis(stack_folder)
    postgres.start()
    cache.start()
    yield stack_folder
    cache.stop()
    postgres.stop()


def _sockets(var):
    services = services_at(var)
    folder = unquote(urlsplit(services.database_url).netloc.partition("@")[2])
    return [f"{folder}/.s.PGSQL.5432", services.redis_url.removeprefix("unix://")]


@as_root
def test_another_user_reads_connects_replaces_and_guesses_nothing(running):
    command = [sys.executable, "-c", PROBES, str(running), *_sockets(running)]
    run = subprocess.run(command, cwd="/", capture_output=True, text=True)
    outcomes = run.stdout.splitlines()
    assert len(outcomes) == 1 + 12 + 5 + 8 + 4, run.stderr
    assert [line for line in outcomes if not line.endswith(": refused")] == []


def test_only_the_owner_has_rights_below_var(running):
    """As root the database server runs as another user, which may pass through two folders and nothing else."""
    loose = {}
    for folder, directories, files in os.walk(running):
        for name in (*directories, *files):
            path = os.path.join(folder, name)
            mode = stat.S_IMODE(os.lstat(path).st_mode)
            if mode & 0o077 and not stat.S_ISSOCK(os.lstat(path).st_mode):
                loose[os.path.relpath(path, running)] = oct(mode)
    loose = {
        path: mode for path, mode in loose.items() if not path.startswith("postgres/")
    }  # in a private folder
    assert loose == ({"run": "0o710"} if os.geteuid() == 0 else {})
    assert stat.S_IMODE((running / "postgres").stat().st_mode) == 0o700


def test_the_product_is_no_superuser_and_no_account_can_become_one(running):
    import psycopg

    url = services_at(running).database_url
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone() == (False,)
        rules = (running / "postgres" / "pg_hba.conf").read_text()
        assert "trust" not in rules
    with pytest.raises(psycopg.OperationalError, match=r"(?i)peer"):
        psycopg.connect(url.replace("cryptotrade@", "postgres@"))


def test_a_cluster_that_trusted_everybody_is_refused_in_one_sentence(tmp_path):
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "pg_ident.conf").write_text("# empty")
    with pytest.raises(ServiceUnavailable, match="made by an older version"):
        EmbeddedPostgres(tmp_path).start()


def test_a_folder_of_another_user_or_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NotPrivate, match="link"):
        private_directory(tmp_path / "link")
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", OTHER, OTHER)
        with pytest.raises(NotPrivate, match="another user"):
            private_directory(tmp_path / "theirs")


@as_root
def test_traversal_is_for_one_user_and_not_for_reading(tmp_path):
    inside = tmp_path / "closed" / "inside"
    inside.mkdir(parents=True)
    (inside / "file").write_text("x")
    (tmp_path / "closed").chmod(0o700)

    def succeeds(uid, *command):
        return (
            subprocess.run(command, user=uid, group=uid, extra_groups=[], capture_output=True).returncode == 0
        )

    for _ in range(2):  # the second time there is a list already
        allow_traversal(inside, 12345)
        assert succeeds(12345, "cat", str(inside / "file"))
        assert not succeeds(12345, "ls", str(tmp_path / "closed"))
        assert not succeeds(OTHER, "cat", str(inside / "file"))


class Planted:
    """An object that acts when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, (os.environ["PLANTED"],))


@pytest.mark.parametrize("name", sorted(settings.CACHES))
def test_a_cache_never_unpickles(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", str(tmp_path / "executed"))
    cache = caches[name]
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set(cache.make_and_validate_key("planted"), pickle.dumps(Planted()))
    if name == "sessions":
        assert cache.get("planted") is None
    else:
        with pytest.raises(orjson.JSONDecodeError):
            cache.get("planted")
    assert not (tmp_path / "executed").exists()
    with pytest.raises(TypeError):
        cache.set("planted", Planted())


def test_json_keeps_what_sessions_and_counters_hold():
    serializer = JsonSerializer()
    for value in (0, 7, True, None, "text", [1.5], {"_auth_user_id": "1", "nested": {"a": [1]}}):
        assert serializer.loads(serializer.dumps(value)) == value
    cache = caches["default"]
    cache.set("counter", 5)
    assert cache.incr("counter") == 6
