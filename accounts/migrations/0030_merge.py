from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_roles"), ("accounts", "0020_audit")]
    operations = []
