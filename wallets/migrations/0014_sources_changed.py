from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('wallets', '0012_sources')]

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
