"""Triggers: an append-only journal and ledger, transactions that sum to zero, positions that equal their entries.

Decisions of runs that ended more than a week ago may be deleted from the journal.
"""

from django.db import migrations

GUARDS = """
CREATE FUNCTION bots_journal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.kind = 'decision' AND EXISTS (
    SELECT FROM bots_botrun WHERE id = OLD.run_id AND ended_at < now() - interval '7 days'
  ) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER bots_journal_no_change BEFORE UPDATE OR DELETE ON bots_botjournalentry
  FOR EACH ROW EXECUTE FUNCTION bots_journal_append_only();

CREATE FUNCTION bots_ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER bots_botledgertransaction_no_change BEFORE UPDATE OR DELETE ON bots_botledgertransaction
  FOR EACH ROW EXECUTE FUNCTION bots_ledger_append_only();
CREATE TRIGGER bots_botledgertransaction_no_truncate BEFORE TRUNCATE ON bots_botledgertransaction
  FOR EACH STATEMENT EXECUTE FUNCTION bots_ledger_append_only();

CREATE TRIGGER bots_botledgerentry_no_change BEFORE UPDATE OR DELETE ON bots_botledgerentry
  FOR EACH ROW EXECUTE FUNCTION bots_ledger_append_only();
CREATE TRIGGER bots_botledgerentry_no_truncate BEFORE TRUNCATE ON bots_botledgerentry
  FOR EACH STATEMENT EXECUTE FUNCTION bots_ledger_append_only();

CREATE FUNCTION bots_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT asset, sum(amount) AS amount INTO off FROM bots_botledgerentry
    WHERE transaction_id = NEW.transaction_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transaction % is off by % %', NEW.transaction_id, off.amount, off.asset
      USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_zero_sum';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER bots_zero_sum AFTER INSERT ON bots_botledgerentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bots_zero_sum();

-- As its owner, so that no role needs the right to write balances.
CREATE FUNCTION bots_balance_sum() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
BEGIN
  INSERT INTO bots_botbalance AS balance (bot_id, account, asset, amount)
    SELECT bot_id, account, asset, sum(amount) FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (bot_id, account, asset) DO UPDATE SET amount = balance.amount + EXCLUDED.amount;
  RETURN NULL;
END $$;
CREATE TRIGGER bots_balance_sum AFTER INSERT ON bots_botledgerentry
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION bots_balance_sum();

CREATE FUNCTION bots_balance_derived_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bots_balance_derived BEFORE INSERT OR UPDATE OR DELETE ON bots_botbalance
  FOR EACH ROW EXECUTE FUNCTION bots_balance_derived_only();

-- What a bot holds and what it paid for it are what its entries say, whoever writes the row.
CREATE FUNCTION bots_position_matches_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT position.size - bots_position_balance(position.bot_id, instrument.base) AS size,
      position.realised_pnl - position.cost - position.fees + position.funding - bots_position_balance(position.bot_id, instrument.quote) AS money
    INTO off FROM bots_holderposition position JOIN market_instrument instrument ON instrument.id = position.instrument_id
    WHERE position.bot_id = NEW.bot_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'bot % has entries and no position', NEW.bot_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries';
  ELSIF off.size <> 0 OR off.money <> 0 THEN
    RAISE EXCEPTION 'the position of bot % differs from its entries by % and %', NEW.bot_id, off.size, off.money
      USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries';
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION bots_position_balance(about uuid, of varchar) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = about AND account = 'position' AND asset = of
$$;
CREATE CONSTRAINT TRIGGER bots_position_matches_entries AFTER INSERT OR UPDATE ON bots_holderposition
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.bot_id IS NOT NULL)
  EXECUTE FUNCTION bots_position_matches_entries();
CREATE CONSTRAINT TRIGGER bots_transaction_matches_entries AFTER INSERT ON bots_botledgertransaction
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bots_position_matches_entries();

-- A mark that fell would post again what is posted.
CREATE FUNCTION bots_cursor_increases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.last_fill_id < OLD.last_fill_id OR NEW.last_funding_id < OLD.last_funding_id THEN
    RAISE EXCEPTION 'a cursor only increases: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bots_cursor_increases BEFORE UPDATE OR DELETE ON bots_ledgercursor
  FOR EACH ROW EXECUTE FUNCTION bots_cursor_increases();
"""
NO_GUARDS = """
DROP TRIGGER bots_botledgertransaction_no_change ON bots_botledgertransaction;
DROP TRIGGER bots_botledgertransaction_no_truncate ON bots_botledgertransaction;

DROP TRIGGER bots_botledgerentry_no_change ON bots_botledgerentry;
DROP TRIGGER bots_botledgerentry_no_truncate ON bots_botledgerentry;

DROP TRIGGER bots_zero_sum ON bots_botledgerentry;
DROP TRIGGER bots_balance_sum ON bots_botledgerentry;
DROP TRIGGER bots_balance_derived ON bots_botbalance;
DROP TRIGGER bots_position_matches_entries ON bots_holderposition;
DROP TRIGGER bots_cursor_increases ON bots_ledgercursor;
DROP TRIGGER bots_transaction_matches_entries ON bots_botledgertransaction;
DROP FUNCTION bots_ledger_append_only();
DROP FUNCTION bots_zero_sum();
DROP FUNCTION bots_balance_sum();
DROP FUNCTION bots_balance_derived_only();
DROP FUNCTION bots_position_matches_entries();
DROP FUNCTION bots_cursor_increases();
DROP FUNCTION bots_position_balance(uuid, varchar);

DROP TRIGGER bots_journal_no_change ON bots_botjournalentry;
DROP FUNCTION bots_journal_append_only();
"""


class Migration(migrations.Migration):

    dependencies = [('bots', '0001_initial')]

    operations = [migrations.RunSQL(GUARDS, NO_GUARDS)]
