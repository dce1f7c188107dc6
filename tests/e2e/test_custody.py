"""Custody of API wallet keys: a key is stored sealed in one column and nowhere else; restore of a backup."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from psycopg import sql

from cryptotrade.embedded import services_at
from market.venues.hyperliquid import signing, user_actions
from tests.e2e.stack import ROOT, wait_for
from tests.simulator.control import CONTROL_HEADERS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
MASTER, MARKER = secrets.token_bytes(32), secrets.token_bytes(32)
NEEDLES = (MARKER, MARKER.hex().encode(), MARKER.hex().upper().encode(), MARKER[::-1])


class Program:
    """API client of the demo user, with a recent authentication."""

    def __init__(self, stack):
        self.url = stack.url
        self._token = ""
        demo = json.loads((stack.var / "demo.json").read_text())
        signed_in = self.post("/api/v1/auth/login", email=demo["email"], password=demo["password"])
        self._token = signed_in["access"]
        self.post("/api/v1/auth/step-up", password=demo["password"])

    def post(self, path, **body):
        headers = {"Content-Type": "application/json", "Origin": self.url}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return _post(self.url + path, body, headers)


def _post(url, body, headers=None):
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json", **(headers or {})}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read() or b"{}")


@pytest.fixture(scope="module")
def marked(stack):
    """A wallet with the marker as its key: sent through the web process, sealed, approved, unsealed by execution."""
    account = signing.address_of(MASTER)
    simulator = f"http://127.0.0.1:{stack.environment['SIMULATOR_PORT']}"
    control = f"http://127.0.0.1:{stack.environment['SIMULATOR_CONTROL_PORT']}"
    _post(f"{control}/accounts", {"address": account, "usdc": 1000}, CONTROL_HEADERS)
    nonce = time.time_ns() // 1_000_000
    body = user_actions.approve_agent(
        key=MASTER, agent=signing.address_of(MARKER), name="marker", nonce=nonce, network="testnet"
    )
    assert _post(f"{simulator}/exchange", body)["status"] == "ok"
    wallet = Program(stack).post(
        "/api/v1/wallets", venue="hyperliquid-sim", label="marker", address=account, key="0x" + MARKER.hex()
    )
    wait_for(lambda: _status(stack, wallet["id"]) == "active", 120, "execution has opened the key")
    return wallet["id"]


def _status(stack, wallet):
    with psycopg.connect(services_at(stack.var).database_url) as database:
        row = database.execute("SELECT status FROM wallets_wallet WHERE id = %s", (wallet,)).fetchone()
    return row and row[0]


def _found_in(parts):
    return [needle.hex()[:8] for needle in NEEDLES for part in parts if needle in part]


def _memory(process):
    """All readable memory mappings of a process."""
    maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    with open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            start, end = (int(edge, 16) for edge in span.split("-"))
            memory.seek(start)
            with contextlib.suppress(OSError):  # a mapping that was removed meanwhile
                yield memory.read(end - start)


def _files(stack):
    """Logs, mail, secrets, and the data and journal of PostgreSQL itself."""
    found = {}
    for path in stack.var.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and (hits := _found_in([path.read_bytes()])):
                found[path.name] = hits
    return found


def _described(process):
    folder = Path(f"/proc/{process.pid}")
    return [(folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()]


def test_a_key_is_in_no_process_but_execution(stack, marked):
    execution = wait_for(lambda: stack.child("wallets-execution"), 120, "execution")
    pid = stack.kill("manage.py web")  # the key passed through its memory; a restart clears it
    wait_for(lambda: (web := stack.child("manage.py web")) and web.pid != pid, 30, "the web is back")
    stack.wait_until_ready(60)
    others = [process for process in stack.processes() if process.pid != execution.pid]
    names = " ".join(" ".join(process.cmdline()) for process in others)
    for name in ("market-feed", "bots-supervisor", "manage.py web", "run_simulator", "redis.sock"):
        assert name in names
    assert {process.pid: found for process in others if (found := _found_in(_memory(process)))} == {}
    every = [*others, execution]
    assert {process.pid: found for process in every if (found := _found_in(_described(process)))} == {}


def test_a_key_is_in_no_file_dump_log_or_mail(stack, marked):
    assert _found_in(_dump(stack).values()) == []
    remembered = redis.Redis.from_url(services_at(stack.var).redis_url)
    assert _found_in(remembered.dump(key) or b"" for key in remembered.scan_iter()) == []
    assert _files(stack) == {}


def test_the_search_finds_what_is_there(stack, marked, tmp_path):
    """In a process that was given the key, in Redis, in a file and in a dump."""
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; key = bytes.fromhex(sys.stdin.readline()); print('has it', flush=True);"
         "sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with holder:
        holder.stdin.write(MARKER.hex() + "\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "has it\n"
        assert _found_in(_memory(psutil.Process(holder.pid)))
        holder.stdin.close()
    remembered = redis.Redis.from_url(services_at(stack.var).redis_url)
    remembered.set("planted", b"x" + MARKER)
    assert _found_in([remembered.dump("planted")])
    remembered.delete("planted")
    (stack.var / "log" / "planted").write_text(f"... key={MARKER.hex()} ...")
    assert list(_files(stack)) == ["planted"]
    (stack.var / "log" / "planted").unlink()
    with psycopg.connect(services_at(stack.var).database_url, autocommit=True) as database:
        database.execute("CREATE TABLE planted (key bytea)")
        try:
            database.execute("INSERT INTO planted VALUES (%s)", (bytes(range(32)),))
            assert bytes(range(32)).hex().encode() in b"".join(_dump(stack).values())
        finally:
            database.execute("DROP TABLE planted")


def test_execution_leaves_no_core_and_is_closed_to_its_own_user(stack, marked):
    execution = wait_for(lambda: stack.child("wallets-execution"), 120, "execution")
    limits = Path(f"/proc/{execution.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
    # In /proc the files of a non-dumpable process belong to root, those of other processes to their user.
    assert os.stat(f"/proc/{execution.pid}/mem").st_uid == 0
    if os.geteuid():
        with pytest.raises(PermissionError):
            next(iter(_memory(execution)))


def test_a_dump_and_the_key_folder_restore_and_the_dump_alone_refuses(stack, marked, tmp_path):
    """The drill of docs/operations.md, in a database of its own."""
    services = services_at(stack.var)
    restored = services.database_url.removesuffix("cryptotrade") + "restored"
    with psycopg.connect(services.database_url, autocommit=True) as database:
        database.execute("CREATE DATABASE restored")
        sealed = database.execute("SELECT count(*) FROM wallets_walletsecret").fetchone()[0]
    try:
        assert _manage(stack, restored, tmp_path, "migrate", "--verbosity", "0").returncode == 0
        _restore(restored, _dump(stack))
        alone = _manage(stack, restored, tmp_path / "empty", "sealing_keys", "init")
        assert alone.returncode == 1
        assert "key not present; users must enter keys again" in alone.stderr
        copied = tmp_path / "copied"
        shutil.copytree(stack.var / "secrets" / "execution", copied)
        both = _manage(stack, restored, copied, "sealing_keys", "check")
        assert sealed >= 2  # the demo user's and the marker
        assert both.stdout.strip() == f"{sealed} sealed keys open", both.stderr
    finally:
        with psycopg.connect(services.database_url, autocommit=True) as database:
            database.execute("DROP DATABASE restored WITH (FORCE)")


def _dump(stack):
    """Every table, as `COPY` writes it: `pg_dump` is not everywhere."""
    with psycopg.connect(services_at(stack.var).database_url) as database:
        database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # one moment, as `pg_dump`
        tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        dumped = {}
        for (table,) in tables:
            with database.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as rows:
                dumped[table] = b"".join(bytes(row) for row in rows)
    return dumped


def _restore(url, dumped):
    """As `pg_restore` does it: the triggers come after the rows."""
    _each_table(url, dumped, "ALTER TABLE {} DISABLE TRIGGER USER")
    with psycopg.connect(url) as database:
        for table, rows in dumped.items():
            name = sql.Identifier(table)
            database.execute(sql.SQL("DELETE FROM {}").format(name))
            with database.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
                copy.write(rows)
    _each_table(url, dumped, "ALTER TABLE {} ENABLE TRIGGER USER")


def _each_table(url, tables, statement):
    with psycopg.connect(url) as database:
        for table in tables:
            database.execute(sql.SQL(statement).format(sql.Identifier(table)))


def _manage(stack, database_url, folder, *arguments):
    environment = {**stack.environment, "DATABASE_URL": database_url, "SEALING_KEY_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
