from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('wallets', '0013_booked_since')]

    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(
                condition=models.Q(('source_id__isnull', False)),
                fields=['updated_at'],
                name='wallets_order_source_changed',
            ),
        ),
    ]
