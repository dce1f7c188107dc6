from django.db import migrations, models

GUARD = """
CREATE FUNCTION accounts_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER accounts_audit_no_change BEFORE UPDATE OR DELETE ON accounts_auditentry
  FOR EACH ROW EXECUTE FUNCTION accounts_audit_refuse();
CREATE TRIGGER accounts_audit_no_truncate BEFORE TRUNCATE ON accounts_auditentry
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse();

CREATE FUNCTION accounts_audit_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq <> OLD.seq + 1 OR NEW.id <> OLD.id THEN
    RAISE EXCEPTION 'the head of the audit trail only moves forward' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER accounts_audit_head_forward BEFORE UPDATE ON accounts_audithead
  FOR EACH ROW EXECUTE FUNCTION accounts_audit_forward();
CREATE TRIGGER accounts_audit_head_stays BEFORE DELETE ON accounts_audithead
  FOR EACH ROW EXECUTE FUNCTION accounts_audit_refuse();
CREATE TRIGGER accounts_audit_head_no_truncate BEFORE TRUNCATE ON accounts_audithead
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse();
"""
UNGUARD = """
DROP TRIGGER accounts_audit_no_change ON accounts_auditentry;
DROP TRIGGER accounts_audit_no_truncate ON accounts_auditentry;
DROP TRIGGER accounts_audit_head_forward ON accounts_audithead;
DROP TRIGGER accounts_audit_head_stays ON accounts_audithead;
DROP TRIGGER accounts_audit_head_no_truncate ON accounts_audithead;
DROP FUNCTION accounts_audit_refuse();
DROP FUNCTION accounts_audit_forward();
"""


class Migration(migrations.Migration):

    dependencies = [('accounts', '0001_initial')]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('seq', models.BigIntegerField(editable=False, primary_key=True, serialize=False)),
                ('recorded_at', models.DateTimeField()),
                ('actor', models.UUIDField(help_text='the user who did it; empty: nobody was signed in', null=True)),
                ('action', models.CharField(max_length=60)),
                ('subject', models.CharField(help_text='what it was done to, as "kind:id"', max_length=120)),
                ('address', models.CharField(blank=True, max_length=45)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('data', models.JSONField(default=dict)),
                ('previous_hash', models.CharField(max_length=64)),
                ('hash', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'indexes': [models.Index(fields=['actor', '-seq'], name='accounts_audit_actor'), models.Index(fields=['subject', '-seq'], name='accounts_audit_subject'), models.Index(fields=['action', '-seq'], name='accounts_audit_action')],
            },
        ),
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('seq', models.BigIntegerField(default=0)),
                ('hash', models.CharField(max_length=64)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='accounts_audit_one_head')],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
