"""Triggers: an append-only ledger whose transactions sum to zero, balances derived from it, and active sealing keys."""

import core.triggers
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

# The one row of the global trading control, so that an administrator can select it.
GLOBAL_CONTROL = """
INSERT INTO wallets_globaltradingcontrol (id, trading_state, reason, changed_at)
  VALUES (1, 'active', '', now()) ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('wallets', '0001_initial'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='balance',
            trigger=pgtrigger.compiler.Trigger(name='derived_only', sql=core.triggers.GuardSql(func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege'; END IF; RETURN NEW;", hash='36a54cf2e74e258d2d4c2d59000780d1a14f1811', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_derived_only_22742', table='wallets_balance', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='fill',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='40f03705ed2ab67f4c4dc8fa9272e6b3c6837778', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_f71c8', table='wallets_fill', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='fill',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='1f86f5e5d2e0f18a63ac03d27b27c2bb8a838e1c', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_b7a79', table='wallets_fill', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='863bd864226cad2507c76b88c33b0db729a1b9d9', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_00500', table='wallets_ledgerentry', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='67655f4fa6b41d681d6643b255c9e20e822065da', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_ab5d9', table='wallets_ledgerentry', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='zero_sum', sql=core.triggers.GuardSql(constraint='CONSTRAINT', declare='DECLARE off record;', func="SELECT asset, sum(amount) AS amount INTO off FROM wallets_ledgerentry WHERE transaction_id = NEW.transaction_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1; IF FOUND THEN RAISE EXCEPTION 'transaction % is off by % %', NEW.transaction_id, off.amount, off.asset USING ERRCODE = 'check_violation', CONSTRAINT = 'wallets_zero_sum'; END IF; RETURN NULL;", hash='606fa3357f96b3f9aad13be8932e6ccb9bb24104', operation='INSERT', pgid='pgtrigger_zero_sum_7bece', table='wallets_ledgerentry', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='balance_sum', sql=core.triggers.DefinerGuardSql(func='INSERT INTO wallets_balance AS balance (wallet_id, account_type, asset, account, amount) SELECT wallet_id, account_type, asset, account, sum(amount) FROM added GROUP BY wallet_id, account_type, asset, account ORDER BY wallet_id, account_type, asset, account ON CONFLICT (wallet_id, account_type, asset, account) DO UPDATE SET amount = balance.amount + EXCLUDED.amount; RETURN NULL;', hash='01167e68820c441181c12fa7e065b2eeb4441912', level='STATEMENT', operation='INSERT', pgid='pgtrigger_balance_sum_e0155', referencing='REFERENCING NEW TABLE AS added ', table='wallets_ledgerentry', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgertransaction',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='895bba4202d77e8806a59ba635ec3a2173c7a384', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_b5dec', table='wallets_ledgertransaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgertransaction',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='fe2c63120f9c425880a50789946b4b3fe9dc90a7', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_44e9e', table='wallets_ledgertransaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='walletsecret',
            trigger=pgtrigger.compiler.Trigger(name='sealing_key_active', sql=core.triggers.DefinerGuardSql(func="PERFORM 1 FROM wallets_sealingkey WHERE kid = NEW.kid AND retired_at IS NULL FOR SHARE; IF NOT FOUND THEN RAISE EXCEPTION 'sealing key % is retired', NEW.kid USING ERRCODE = 'check_violation'; END IF; RETURN NEW;", hash='e523fcddb925d5792d45df707f9135c12219d085', operation='INSERT OR UPDATE', pgid='pgtrigger_sealing_key_active_cd03e', table='wallets_walletsecret', when='BEFORE')),
        ),
        migrations.RunSQL(GLOBAL_CONTROL, migrations.RunSQL.noop),
    ]
