"""Triggers: an append-only journal and ledger, transactions that sum to zero, positions that equal their entries."""

import core.triggers
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0001_initial'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='botbalance',
            trigger=pgtrigger.compiler.Trigger(name='derived_only', sql=core.triggers.GuardSql(func="IF pg_trigger_depth() < 2 THEN RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege'; END IF; RETURN NEW;", hash='cd00b6f73ab461f2dc9308fc174593dfd10a4a33', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_derived_only_d43da', table='bots_botbalance', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botjournalentry',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=core.triggers.GuardSql(func="IF TG_OP = 'DELETE' AND OLD.kind = 'decision' AND EXISTS ( SELECT FROM bots_botrun WHERE id = OLD.run_id AND ended_at < now() - interval '7 days' ) THEN RETURN OLD; END IF; RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';", hash='f2c021b2f71d1ac50467f981cf513c28c8dc8041', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_d51b9', table='bots_botjournalentry', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='4552ff997c4950e288543f8763ce9dbe75fc143d', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_0aa43', table='bots_botledgerentry', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='e2ab40b01405a4f8d7049013339f6f915699bd85', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_2b1de', table='bots_botledgerentry', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='zero_sum', sql=core.triggers.GuardSql(constraint='CONSTRAINT', declare='DECLARE off record;', func="SELECT asset, sum(amount) AS amount INTO off FROM bots_botledgerentry WHERE transaction_id = NEW.transaction_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1; IF FOUND THEN RAISE EXCEPTION 'transaction % is off by % %', NEW.transaction_id, off.amount, off.asset USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_zero_sum'; END IF; RETURN NULL;", hash='cbe310278df92b6378d34423b5cf38fdbac702f9', operation='INSERT', pgid='pgtrigger_zero_sum_bed75', table='bots_botledgerentry', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgerentry',
            trigger=pgtrigger.compiler.Trigger(name='balance_sum', sql=core.triggers.DefinerGuardSql(func='INSERT INTO bots_botbalance AS balance (bot_id, account, asset, amount) SELECT bot_id, account, asset, sum(amount) FROM added GROUP BY bot_id, account, asset ORDER BY bot_id, account, asset ON CONFLICT (bot_id, account, asset) DO UPDATE SET amount = balance.amount + EXCLUDED.amount; RETURN NULL;', hash='15fe571d5006169af36a9664c80f5b89308c98da', level='STATEMENT', operation='INSERT', pgid='pgtrigger_balance_sum_6826f', referencing='REFERENCING NEW TABLE AS added ', table='bots_botledgerentry', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgertransaction',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='727906b49b1c6f42b226f7213a7beee8d9e79469', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_fcd3a', table='bots_botledgertransaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgertransaction',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=core.triggers.GuardSql(func="RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';", hash='03c2beca4496a89c023eecfe23c733df0226d45d', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_d4e22', table='bots_botledgertransaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='botledgertransaction',
            trigger=pgtrigger.compiler.Trigger(name='position_matches_entries', sql=core.triggers.GuardSql(constraint='CONSTRAINT', declare='DECLARE off record;', func="SELECT position.size - (SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = NEW.bot_id AND account = 'position' AND asset = instrument.base) AS size, position.realised_pnl - position.cost - position.fees + position.funding - (SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = NEW.bot_id AND account = 'position' AND asset = instrument.quote) AS money INTO off FROM bots_holderposition position JOIN market_instrument instrument ON instrument.id = position.instrument_id WHERE position.bot_id = NEW.bot_id; IF NOT FOUND THEN RAISE EXCEPTION 'bot % has entries and no position', NEW.bot_id USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries'; ELSIF off.size <> 0 OR off.money <> 0 THEN RAISE EXCEPTION 'the position of bot % differs from its entries by % and %', NEW.bot_id, off.size, off.money USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries'; END IF; RETURN NULL;", hash='f211a814ce374badb80598f5a670bcc7aa2a9842', operation='INSERT', pgid='pgtrigger_position_matches_entries_4cb6a', table='bots_botledgertransaction', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='holderposition',
            trigger=pgtrigger.compiler.Trigger(name='position_matches_entries', sql=core.triggers.GuardSql(condition='WHEN (NEW.bot_id IS NOT NULL)', constraint='CONSTRAINT', declare='DECLARE off record;', func="SELECT position.size - (SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = NEW.bot_id AND account = 'position' AND asset = instrument.base) AS size, position.realised_pnl - position.cost - position.fees + position.funding - (SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = NEW.bot_id AND account = 'position' AND asset = instrument.quote) AS money INTO off FROM bots_holderposition position JOIN market_instrument instrument ON instrument.id = position.instrument_id WHERE position.bot_id = NEW.bot_id; IF NOT FOUND THEN RAISE EXCEPTION 'bot % has entries and no position', NEW.bot_id USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries'; ELSIF off.size <> 0 OR off.money <> 0 THEN RAISE EXCEPTION 'the position of bot % differs from its entries by % and %', NEW.bot_id, off.size, off.money USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries'; END IF; RETURN NULL;", hash='b883476ccdc63c8b93f4b878cf19bf2b67138989', operation='INSERT OR UPDATE', pgid='pgtrigger_position_matches_entries_71bb5', table='bots_holderposition', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgercursor',
            trigger=pgtrigger.compiler.Trigger(name='cursor_increases', sql=core.triggers.GuardSql(func="IF TG_OP = 'DELETE' OR NEW.last_fill_id < OLD.last_fill_id OR NEW.last_funding_id < OLD.last_funding_id THEN RAISE EXCEPTION 'a cursor only increases: % refused', TG_OP USING ERRCODE = 'insufficient_privilege'; END IF; RETURN NEW;", hash='466762ca4c8e7f110c9339d337e055d66f4dd184', operation='UPDATE OR DELETE', pgid='pgtrigger_cursor_increases_7ad86', table='bots_ledgercursor', when='BEFORE')),
        ),
    ]
