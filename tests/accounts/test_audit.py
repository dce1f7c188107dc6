"""Audit log: append-only, serialised writers, detection of changed, removed and reordered entries."""

import ast
import json
import threading
import uuid
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts import audit
from accounts.audit import AuditAction, record
from accounts.domain.hash_chain import FIELDS, GENESIS, NOTHING, Head, Link, canonical, digest, verify_chain
from accounts.models import AuditEntry, AuditHead
from tests.conftest import TRUNCATE_GUARDS


def write(count, actor=None):
    for number in range(count):
        record(action=AuditAction.USER_CHANGED, actor=actor, subject=f"user:{number}", data={"n": number})


def as_owner(sql, *arguments):
    """Execute SQL as the database owner, who can disable the triggers first."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditentry DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE accounts_audithead DISABLE TRIGGER USER")
        cursor.execute(sql, arguments)
        for table in ("accounts_auditentry", "accounts_audithead"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def problems():
    return [str(fault) for fault in audit.verify()]


# --- the chain, without a database ---------------------------------------------------------------------
def chain(count):
    links, last = [], GENESIS
    for seq in range(1, count + 1):
        body = dict.fromkeys(FIELDS, "") | {"seq": seq, "data": {"n": seq}}
        links.append(Link(body, last, digest(body, last)))
        last = links[-1].hash
    return links


@given(st.data())
def test_any_one_change_of_a_chain_is_found_where_it_was_made(data):
    links = chain(data.draw(st.integers(2, 12), label="length"))
    at = data.draw(st.integers(0, len(links) - 1), label="at")
    noted = [links[-1].head]
    match data.draw(st.sampled_from(["change", "remove", "swap", "rehash"])):
        case "change":
            links[at] = Link(
                {**links[at].body, "subject": "another subject"}, links[at].previous_hash, links[at].hash
            )
        case "remove":
            del links[at]
        case "swap":
            at = max(at, 1)
            links[at - 1], links[at] = links[at], links[at - 1]
            at -= 1
        case "rehash":  # an attacker can recompute the hashes, but not change a head noted elsewhere
            body = {**links[at].body, "subject": "another subject"}
            links[at] = Link(body, links[at].previous_hash, digest(body, links[at].previous_hash))
            at += links[at].head != links[-1].head
    found = list(verify_chain(links, noted))
    assert found
    assert found[0].seq == at + 1


def test_whole_chain_has_no_faults():
    assert list(verify_chain(chain(20), [chain(20)[-1].head, chain(20)[4].head])) == []
    assert list(verify_chain([], [NOTHING])) == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.binary(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_anything_becomes_plain_json_that_reads_back_the_same(value):
    canonical_value = canonical(value)
    assert json.loads(json.dumps(canonical_value)) == canonical_value
    assert digest({"data": canonical_value}, GENESIS) == digest(
        {"data": json.loads(json.dumps(canonical_value))}, GENESIS
    )


# --- writing --------------------------------------------------------------------------------------------
def test_entry_has_actor_action_subject_and_address(alice, rf):
    request = rf.get("/", REMOTE_ADDR="192.0.2.7")
    request.META["REQUEST_ID"] = "request-1"
    thing = uuid.uuid4()
    record(
        action="api_key.created",
        actor=alice,
        subject=f"api_key:{thing}",
        data={"name": "a\nb"},
        request=request,
    )
    entry = AuditEntry.objects.get()
    assert (entry.seq, entry.actor, entry.action, entry.subject) == (
        1,
        alice.pk,
        "api_key.created",
        f"api_key:{thing}",
    )
    assert (entry.address, entry.request_id, entry.data) == ("192.0.2.7", "request-1", {"name": "a\nb"})
    assert audit.verify() == []


def test_unknown_action_is_refused(db):
    with pytest.raises(ValueError, match="something"):
        record(action="something.odd", actor=None, subject="user:1")


def test_rolled_back_entry_leaves_no_gap(db):
    write(1)
    with transaction.atomic():
        write(1)
        transaction.set_rollback(True)
    write(1)
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2]
    assert audit.verify() == []


def test_every_kind_of_text_survives_the_database(db):
    odd = {
        "nul": "a\x00b",
        "half": "\ud800",
        "emoji": "🦊",
        "nested": [{"é": None}],
        "big": 2**70,
        "money": 1.50,
    }
    record(action="user.changed", actor=None, subject="user:\x00", data=odd)
    assert audit.verify() == []


@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_writers_keep_one_chain():
    begin = threading.Barrier(20)
    failed = []

    def writer():
        begin.wait(60)
        try:
            write(5)
        except DatabaseError as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=writer) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 101))
    assert audit.verify() == []


def test_entries_of_a_user_are_those_as_actor_and_as_subject(alice, bob):
    record(action="user.signed_in", actor=alice, subject=f"user:{alice.pk}")
    record(action="user.disabled", actor=bob, subject=f"user:{alice.pk}")
    record(action="user.signed_in", actor=bob, subject=f"user:{bob.pk}")
    assert [entry.seq for entry in audit.audit_entries(alice)] == [2, 1]


# --- actions --------------------------------------------------------------------------------------------
APPS = ("accounts", "market", "wallets", "bots", "cryptotrade")
ROOT = Path(__file__).resolve().parents[2]


def recorded_actions():
    """Members of `AuditAction` that the product names, except in the module that declares them."""
    for path in sorted(file for app in APPS for file in (ROOT / app).rglob("*.py")):
        if path == ROOT / "accounts/audit.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "AuditAction"
            ):
                yield node.attr


@pytest.mark.parametrize("action", AuditAction, ids=lambda action: action.value)
def test_every_declared_action_is_written_somewhere(action):
    assert action.name in set(recorded_actions())


# --- tampering ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE accounts_auditentry SET action = 'x' WHERE seq = 2",
        "DELETE FROM accounts_auditentry WHERE seq = 2",
        "TRUNCATE accounts_auditentry",
        "UPDATE accounts_audithead SET seq = 1",
        "DELETE FROM accounts_audithead",
        "TRUNCATE accounts_audithead",
    ],
)
def test_database_refuses_to_change_the_trail(db, sql):
    write(3)
    with connection.cursor() as cursor:
        for table, trigger in TRUNCATE_GUARDS:  # as migrated; the test set-up disables them
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
    with (
        pytest.raises(DatabaseError, match="audit trail"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert AuditEntry.objects.count() == 3


def test_application_role_may_add_entries_and_nothing_else(db, capsys):
    write(2)
    call_command("audit", "grants", "audit_test_role")
    grants = capsys.readouterr().out
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE audit_test_role")
        cursor.execute(grants)
        cursor.execute(
            "ALTER TABLE accounts_auditentry DISABLE TRIGGER USER"
        )  # the rights of the role alone must suffice
        cursor.execute("SET LOCAL ROLE audit_test_role")
        for verb in ("UPDATE accounts_auditentry SET action = ''", "DELETE FROM accounts_auditentry"):
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute(verb)
        write(1)
        cursor.execute("RESET ROLE")
    assert audit.verify() == []


def test_update_by_the_owner_is_found_and_named(db):
    write(5)
    as_owner("UPDATE accounts_auditentry SET data = '{\"n\": 99}' WHERE seq = 3")
    assert problems() == ["entry 3: was changed: its content does not match its hash"]


def test_delete_by_the_owner_is_found_and_named(db):
    write(5)
    as_owner("DELETE FROM accounts_auditentry WHERE seq IN (2, 3)")
    assert problems() == ["entry 2: missing: 2 to 3 was removed"]


def test_cut_tail_is_found(db):
    write(5)
    as_owner("DELETE FROM accounts_auditentry WHERE seq > 3")
    assert problems() == ["entry 5: missing: the chain ends at 3"]


def test_reorder_by_the_owner_is_found_and_named(db):
    write(5)
    as_owner("UPDATE accounts_auditentry SET seq = -2 WHERE seq = 2")
    as_owner("UPDATE accounts_auditentry SET seq = 2 WHERE seq = 4")
    as_owner("UPDATE accounts_auditentry SET seq = 4 WHERE seq = -2")
    assert {fault.seq for fault in audit.verify()} >= {2, 4}


def test_rewritten_history_is_found_by_a_noted_head(db):
    write(3)
    noted = audit.head_get()
    as_owner("DELETE FROM accounts_auditentry")
    as_owner("UPDATE accounts_audithead SET seq = 0, hash = %s", GENESIS)
    write(1)
    for number in (7, 8):
        record(action="user.changed", actor=None, subject=f"user:{number}")
    assert audit.verify() == []  # a completely rewritten chain is consistent in itself
    assert [fault.seq for fault in audit.verify(noted=noted)] == [3]


# --- the command ----------------------------------------------------------------------------------------
@pytest.fixture
def export(db, capsys, tmp_path):
    def export(change=lambda lines: lines):
        call_command("audit", "export")
        path = tmp_path / "trail.jsonl"
        path.write_text("".join(f"{line}\n" for line in change(capsys.readouterr().out.splitlines())))
        return path

    return export


def test_export_is_verified_without_the_database(export, capsys, django_db_blocker):
    write(4)
    path = export()
    with django_db_blocker.block():
        call_command("audit", "verify", "--file", str(path))
    assert "intact: 4 entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda lines: [*lines[:1], lines[1].replace("user:1", "user:9"), *lines[2:]],
            "entry 2: was changed",
        ),
        (lambda lines: [lines[0], *lines[2:]], "entry 2: missing"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "entry 1: missing"),
    ],
)
def test_tampered_export_is_refused_and_the_row_is_named(export, capsys, change, problem):
    write(4)
    path = export(change)
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--file", str(path))
    assert problem in capsys.readouterr().err


def test_shortened_export_needs_the_noted_head(export):
    write(4)
    head = audit.head_get()
    path = export(lambda lines: lines[:3])
    call_command("audit", "verify", "--file", str(path))
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--file", str(path), "--head", str(head))


def test_verify_of_the_database_prints_the_head(db, capsys):
    write(2)
    call_command("audit", "verify")
    head = AuditHead.objects.get()
    assert capsys.readouterr().out == f"intact: 2 entries, head {Head(head.seq, head.hash)}\n"
    as_owner("DELETE FROM accounts_auditentry WHERE seq = 1")
    with pytest.raises(CommandError):
        call_command("audit", "verify")
