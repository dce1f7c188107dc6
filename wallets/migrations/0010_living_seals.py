"""Nothing is sealed to a key that has ended: its file is gone, so nobody could open it again."""

from django.db import migrations

GUARD = """
-- The lock makes `keys retire` wait for us, or us for it; then what was committed first counts.
CREATE FUNCTION wallets_living_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
BEGIN
  PERFORM 1 FROM wallets_sealingkey WHERE kid = NEW.kid AND retired_at IS NULL FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'sealing key % has ended', NEW.kid USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER wallets_living_seal BEFORE INSERT OR UPDATE ON wallets_walletsecret
  FOR EACH ROW EXECUTE FUNCTION wallets_living_seal();
"""
UNGUARD = """
DROP TRIGGER wallets_living_seal ON wallets_walletsecret;
DROP FUNCTION wallets_living_seal();
"""


class Migration(migrations.Migration):

    dependencies = [('wallets', '0003_holds_and_leverage')]

    operations = [migrations.RunSQL(GUARD, UNGUARD)]
