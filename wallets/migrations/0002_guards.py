"""What the database itself guarantees about money: append-only, zero-sum, balances that are sums."""

from django.db import migrations

APPEND_ONLY = ("ledgertransfer", "ledgerentry", "fill")

GUARD = """
CREATE FUNCTION wallets_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the books are append-only: % of % refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
""" + "".join(
    f"""
CREATE TRIGGER wallets_{table}_no_change BEFORE UPDATE OR DELETE ON wallets_{table}
  FOR EACH ROW EXECUTE FUNCTION wallets_ledger_refuse();
CREATE TRIGGER wallets_{table}_no_truncate BEFORE TRUNCATE ON wallets_{table}
  FOR EACH STATEMENT EXECUTE FUNCTION wallets_ledger_refuse();
"""
    for table in APPEND_ONLY
) + """
CREATE FUNCTION wallets_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT asset, sum(amount) AS amount INTO off FROM wallets_ledgerentry
    WHERE transfer_id = NEW.transfer_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % is off by % %', NEW.transfer_id, off.amount, off.asset
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
  INSERT INTO wallets_balance AS held (wallet_id, pot, asset, account, amount)
    SELECT wallet_id, pot, asset, account, sum(amount) FROM added GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (wallet_id, pot, asset, account) DO UPDATE SET amount = held.amount + EXCLUDED.amount;
  RETURN NULL;
END $$;
CREATE TRIGGER wallets_balance_sum AFTER INSERT ON wallets_ledgerentry
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION wallets_balance_sum();

CREATE FUNCTION wallets_balance_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER wallets_balance_derived BEFORE INSERT OR UPDATE OR DELETE ON wallets_balance
  FOR EACH ROW EXECUTE FUNCTION wallets_balance_refuse();
"""
UNGUARD = "".join(
    f"""
DROP TRIGGER wallets_{table}_no_change ON wallets_{table};
DROP TRIGGER wallets_{table}_no_truncate ON wallets_{table};
"""
    for table in APPEND_ONLY
) + """
DROP TRIGGER wallets_zero_sum ON wallets_ledgerentry;
DROP TRIGGER wallets_balance_sum ON wallets_ledgerentry;
DROP TRIGGER wallets_balance_derived ON wallets_balance;
DROP FUNCTION wallets_ledger_refuse();
DROP FUNCTION wallets_zero_sum();
DROP FUNCTION wallets_balance_sum();
DROP FUNCTION wallets_balance_refuse();
"""


class Migration(migrations.Migration):

    dependencies = [('wallets', '0001_initial')]

    operations = [migrations.RunSQL(GUARD, UNGUARD)]
