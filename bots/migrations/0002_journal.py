"""The journal of a bot is only added to."""

from django.db import migrations

GUARD = """
CREATE FUNCTION bots_journal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER bots_journal_no_change BEFORE UPDATE OR DELETE ON bots_botevent
  FOR EACH ROW EXECUTE FUNCTION bots_journal_refuse();
"""
UNGUARD = """
DROP TRIGGER bots_journal_no_change ON bots_botevent;
DROP FUNCTION bots_journal_refuse();
"""


class Migration(migrations.Migration):

    dependencies = [('bots', '0001_initial')]

    operations = [migrations.RunSQL(GUARD, UNGUARD)]
