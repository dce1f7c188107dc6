"""The triggers of the database: which there are, that they are those of the models, and that none can be skipped."""

import pgtrigger
import pytest
from django.db import DatabaseError, connection, transaction

from accounts.audit import record
from accounts.models import AuditHead

ROW_CHANGE = "BEFORE DELETE OR UPDATE FOR EACH ROW"
TRUNCATE = "BEFORE TRUNCATE FOR EACH STATEMENT"
BALANCES = "BEFORE INSERT OR DELETE OR UPDATE FOR EACH ROW"
AT_COMMIT = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
ADDED = "AFTER INSERT REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
TRIGGERS = {
    "accounts_auditentry": [ROW_CHANGE, TRUNCATE],
    "accounts_audithead": ["BEFORE DELETE FOR EACH ROW", TRUNCATE, "BEFORE UPDATE FOR EACH ROW"],
    "bots_botbalance": [BALANCES],
    "bots_botjournalentry": [ROW_CHANGE],
    "bots_botledgerentry": [ADDED, f"AFTER INSERT {AT_COMMIT}", ROW_CHANGE, TRUNCATE],
    "bots_botledgertransaction": [f"AFTER INSERT {AT_COMMIT}", ROW_CHANGE, TRUNCATE],
    "bots_holderposition": [f"AFTER INSERT OR UPDATE {AT_COMMIT} WHEN ((new.bot_id IS NOT NULL))"],
    "bots_ledgercursor": [ROW_CHANGE],
    "wallets_balance": [BALANCES],
    "wallets_fill": [ROW_CHANGE, TRUNCATE],
    "wallets_ledgerentry": [ADDED, f"AFTER INSERT {AT_COMMIT}", ROW_CHANGE, TRUNCATE],
    "wallets_ledgertransaction": [ROW_CHANGE, TRUNCATE],
    "wallets_walletsecret": ["BEFORE INSERT OR UPDATE FOR EACH ROW"],
}
# "CREATE TRIGGER name BEFORE UPDATE ON public.table FOR EACH ROW EXECUTE FUNCTION name()" without names.
FIND = r"""
SELECT tgrelid::regclass::text,
    regexp_replace(pg_get_triggerdef(oid), '^CREATE .*TRIGGER \S+ | ON public\.\S+| EXECUTE FUNCTION .*', '', 'g')
  FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2
"""


def test_every_guarded_table_has_its_triggers(db):
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(FIND)
        for table, trigger in cursor.fetchall():
            found.setdefault(table, []).append(trigger)
    assert found == {table: sorted(triggers) for table, triggers in TRIGGERS.items()}


def test_the_database_has_the_triggers_of_the_models(db):
    states = {trigger.get_installation_status(model)[0] for model, trigger in pgtrigger.registered()}
    assert states == {pgtrigger.core.INSTALLED}
    assert len(pgtrigger.registered()) == sum(map(len, TRIGGERS.values()))


def test_no_setting_of_a_session_skips_a_trigger(db):
    record(action="user.changed", actor=None, subject="user:1")
    names = ",".join(trigger.get_pgid(model) for model, trigger in pgtrigger.registered())
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pgtrigger.ignore', %s, true)", [f"{{{names}}}"])
    for change in ("UPDATE accounts_auditentry SET action = 'x'", "UPDATE accounts_audithead SET seq = 9"):
        with (
            pytest.raises(DatabaseError, match="audit trail"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change)
    assert AuditHead.objects.get().seq == 1
