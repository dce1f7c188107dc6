"""The journal is only added to, but decisions of runs that ended long ago may go.

Whatever the setting says, none that is younger than a week, and none of a run that goes on: a run is
replayed from its beginning. Lines for people stay.
"""

from django.db import migrations, models

GUARD = """
CREATE OR REPLACE FUNCTION bots_journal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.kind = 'decision' AND EXISTS (
    SELECT FROM bots_run WHERE id = OLD.run_id AND ended_at < now() - interval '7 days'
  ) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
"""
UNGUARD = """
CREATE OR REPLACE FUNCTION bots_journal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [('bots', '0003_books')]

    operations = [
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(
                condition=models.Q(('ended_at__isnull', False)), fields=['ended_at'], name='bots_run_ended'
            ),
        ),
    ]
