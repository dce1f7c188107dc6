"""Triggers: an append-only ledger whose transactions sum to zero, balances derived from it, and active sealing keys."""

from django.db import migrations

# The one row of the global trading control, so that an administrator can select it.
GLOBAL_CONTROL = """
INSERT INTO wallets_globaltradingcontrol (id, trading_state, reason, changed_at)
  VALUES (1, 'active', '', now()) ON CONFLICT DO NOTHING;
"""

GUARDS = """
CREATE FUNCTION wallets_ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER wallets_ledgertransaction_no_change BEFORE UPDATE OR DELETE ON wallets_ledgertransaction
  FOR EACH ROW EXECUTE FUNCTION wallets_ledger_append_only();
CREATE TRIGGER wallets_ledgertransaction_no_truncate BEFORE TRUNCATE ON wallets_ledgertransaction
  FOR EACH STATEMENT EXECUTE FUNCTION wallets_ledger_append_only();

CREATE TRIGGER wallets_ledgerentry_no_change BEFORE UPDATE OR DELETE ON wallets_ledgerentry
  FOR EACH ROW EXECUTE FUNCTION wallets_ledger_append_only();
CREATE TRIGGER wallets_ledgerentry_no_truncate BEFORE TRUNCATE ON wallets_ledgerentry
  FOR EACH STATEMENT EXECUTE FUNCTION wallets_ledger_append_only();

CREATE TRIGGER wallets_fill_no_change BEFORE UPDATE OR DELETE ON wallets_fill
  FOR EACH ROW EXECUTE FUNCTION wallets_ledger_append_only();
CREATE TRIGGER wallets_fill_no_truncate BEFORE TRUNCATE ON wallets_fill
  FOR EACH STATEMENT EXECUTE FUNCTION wallets_ledger_append_only();

CREATE FUNCTION wallets_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT asset, sum(amount) AS amount INTO off FROM wallets_ledgerentry
    WHERE transaction_id = NEW.transaction_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transaction % is off by % %', NEW.transaction_id, off.amount, off.asset
      USING ERRCODE = 'check_violation', CONSTRAINT = 'wallets_zero_sum';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER wallets_zero_sum AFTER INSERT ON wallets_ledgerentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wallets_zero_sum();

-- As its owner, so that no role needs the right to write balances.
CREATE FUNCTION wallets_balance_sum() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
BEGIN
  INSERT INTO wallets_balance AS balance (wallet_id, account_type, asset, account, amount)
    SELECT wallet_id, account_type, asset, account, sum(amount) FROM added GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (wallet_id, account_type, asset, account) DO UPDATE SET amount = balance.amount + EXCLUDED.amount;
  RETURN NULL;
END $$;
CREATE TRIGGER wallets_balance_sum AFTER INSERT ON wallets_ledgerentry
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION wallets_balance_sum();

CREATE FUNCTION wallets_balance_derived_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER wallets_balance_derived BEFORE INSERT OR UPDATE OR DELETE ON wallets_balance
  FOR EACH ROW EXECUTE FUNCTION wallets_balance_derived_only();

-- The lock makes `sealing_keys retire` wait for us, or us for it; then what was committed first counts.
CREATE FUNCTION wallets_sealing_key_active() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
BEGIN
  PERFORM 1 FROM wallets_sealingkey WHERE kid = NEW.kid AND retired_at IS NULL FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'sealing key % is retired', NEW.kid USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER wallets_sealing_key_active BEFORE INSERT OR UPDATE ON wallets_walletsecret
  FOR EACH ROW EXECUTE FUNCTION wallets_sealing_key_active();
"""
NO_GUARDS = """
DROP TRIGGER wallets_sealing_key_active ON wallets_walletsecret;
DROP FUNCTION wallets_sealing_key_active();

DROP TRIGGER wallets_ledgertransaction_no_change ON wallets_ledgertransaction;
DROP TRIGGER wallets_ledgertransaction_no_truncate ON wallets_ledgertransaction;

DROP TRIGGER wallets_ledgerentry_no_change ON wallets_ledgerentry;
DROP TRIGGER wallets_ledgerentry_no_truncate ON wallets_ledgerentry;

DROP TRIGGER wallets_fill_no_change ON wallets_fill;
DROP TRIGGER wallets_fill_no_truncate ON wallets_fill;

DROP TRIGGER wallets_zero_sum ON wallets_ledgerentry;
DROP TRIGGER wallets_balance_sum ON wallets_ledgerentry;
DROP TRIGGER wallets_balance_derived ON wallets_balance;
DROP FUNCTION wallets_ledger_append_only();
DROP FUNCTION wallets_zero_sum();
DROP FUNCTION wallets_balance_sum();
DROP FUNCTION wallets_balance_derived_only();
"""


class Migration(migrations.Migration):

    dependencies = [('wallets', '0001_initial')]

    operations = [migrations.RunSQL(GUARDS, NO_GUARDS), migrations.RunSQL(GLOBAL_CONTROL, migrations.RunSQL.noop)]
