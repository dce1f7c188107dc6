"""The one row of the house, so that an administrator can select it before anybody has stopped anything."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [('wallets', '0010_living_seals')]

    operations = [
        migrations.RunSQL(
            "INSERT INTO wallets_housecontrol (id, trading_state, reason, changed_at)"
            " VALUES (1, 'active', '', now()) ON CONFLICT DO NOTHING",
            migrations.RunSQL.noop,
        )
    ]
