"""Triggers: an append-only audit log. Data: one group per role."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = ("trader", "support", "administrator")


def create_roles(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.get_or_create(name=name)


GUARDS = """
CREATE FUNCTION accounts_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER accounts_audit_no_change BEFORE UPDATE OR DELETE ON accounts_auditentry
  FOR EACH ROW EXECUTE FUNCTION accounts_audit_append_only();
CREATE TRIGGER accounts_audit_no_truncate BEFORE TRUNCATE ON accounts_auditentry
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_append_only();

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
  FOR EACH ROW EXECUTE FUNCTION accounts_audit_append_only();
CREATE TRIGGER accounts_audit_head_no_truncate BEFORE TRUNCATE ON accounts_audithead
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_append_only();
"""
NO_GUARDS = """
DROP TRIGGER accounts_audit_no_change ON accounts_auditentry;
DROP TRIGGER accounts_audit_no_truncate ON accounts_auditentry;
DROP TRIGGER accounts_audit_head_forward ON accounts_audithead;
DROP TRIGGER accounts_audit_head_stays ON accounts_audithead;
DROP TRIGGER accounts_audit_head_no_truncate ON accounts_audithead;
DROP FUNCTION accounts_audit_append_only();
DROP FUNCTION accounts_audit_forward();
"""


class Migration(migrations.Migration):

    dependencies = [('accounts', '0001_initial'), ('auth', '0012_alter_user_first_name_max_length')]

    operations = [migrations.RunSQL(GUARDS, NO_GUARDS), migrations.RunPython(create_roles, migrations.RunPython.noop)]
