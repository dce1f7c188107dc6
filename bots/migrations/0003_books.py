"""The books of bots: append-only, zero-sum, and rows that are held against their entries."""

import django.db.models.deletion
from django.db import migrations, models

APPEND_ONLY = ("bottransfer", "botentry")

GUARD = """
CREATE FUNCTION bots_books_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the books are append-only: % of % refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
""" + "".join(
    f"""
CREATE TRIGGER bots_{table}_no_change BEFORE UPDATE OR DELETE ON bots_{table}
  FOR EACH ROW EXECUTE FUNCTION bots_books_refuse();
CREATE TRIGGER bots_{table}_no_truncate BEFORE TRUNCATE ON bots_{table}
  FOR EACH STATEMENT EXECUTE FUNCTION bots_books_refuse();
"""
    for table in APPEND_ONLY
) + """
CREATE FUNCTION bots_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT asset, sum(amount) AS amount INTO off FROM bots_botentry
    WHERE transfer_id = NEW.transfer_id GROUP BY asset HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % is off by % %', NEW.transfer_id, off.amount, off.asset
      USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_zero_sum';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER bots_zero_sum AFTER INSERT ON bots_botentry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bots_zero_sum();

-- As its owner, so that no role needs the right to write balances.
CREATE FUNCTION bots_balance_sum() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
BEGIN
  INSERT INTO bots_botbalance AS held (bot_id, account, asset, amount)
    SELECT bot_id, account, asset, sum(amount) FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (bot_id, account, asset) DO UPDATE SET amount = held.amount + EXCLUDED.amount;
  RETURN NULL;
END $$;
CREATE TRIGGER bots_balance_sum AFTER INSERT ON bots_botentry
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION bots_balance_sum();

CREATE FUNCTION bots_balance_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'balances are sums of entries: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bots_balance_derived BEFORE INSERT OR UPDATE OR DELETE ON bots_botbalance
  FOR EACH ROW EXECUTE FUNCTION bots_balance_refuse();

-- What a bot holds and what it paid for it are what its entries say, whoever writes the row.
CREATE FUNCTION bots_book_agrees() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT book.size - bots_held(book.bot_id, place.base) AS size,
      book.realised - book.cost - book.fees + book.funding - bots_held(book.bot_id, place.quote) AS money
    INTO off FROM bots_holderbook book JOIN market_instrument place ON place.id = book.instrument_id
    WHERE book.bot_id = NEW.bot_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'bot % has entries and no book', NEW.bot_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_book_agrees';
  ELSIF off.size <> 0 OR off.money <> 0 THEN
    RAISE EXCEPTION 'the book of bot % is off its entries by % and %', NEW.bot_id, off.size, off.money
      USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_book_agrees';
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION bots_held(about uuid, of varchar) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = about AND account = 'held' AND asset = of
$$;
CREATE CONSTRAINT TRIGGER bots_book_agrees AFTER INSERT OR UPDATE ON bots_holderbook
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.bot_id IS NOT NULL)
  EXECUTE FUNCTION bots_book_agrees();
CREATE CONSTRAINT TRIGGER bots_transfer_agrees AFTER INSERT ON bots_bottransfer
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bots_book_agrees();

-- A mark that fell would post again what is posted.
CREATE FUNCTION bots_mark_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.fills_until < OLD.fills_until OR NEW.payments_until < OLD.payments_until THEN
    RAISE EXCEPTION 'a mark only rises: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bots_mark_rises BEFORE UPDATE OR DELETE ON bots_booksmark
  FOR EACH ROW EXECUTE FUNCTION bots_mark_rises();

INSERT INTO bots_booksmark (wallet_id, fills_until, payments_until, paid_until)
  SELECT DISTINCT wallet_id, 0, 0, 0 FROM bots_bot;
"""
UNGUARD = "".join(
    f"""
DROP TRIGGER bots_{table}_no_change ON bots_{table};
DROP TRIGGER bots_{table}_no_truncate ON bots_{table};
"""
    for table in APPEND_ONLY
) + """
DROP TRIGGER bots_zero_sum ON bots_botentry;
DROP TRIGGER bots_balance_sum ON bots_botentry;
DROP TRIGGER bots_balance_derived ON bots_botbalance;
DROP TRIGGER bots_book_agrees ON bots_holderbook;
DROP TRIGGER bots_mark_rises ON bots_booksmark;
DROP TRIGGER bots_transfer_agrees ON bots_bottransfer;
DROP FUNCTION bots_books_refuse();
DROP FUNCTION bots_zero_sum();
DROP FUNCTION bots_balance_sum();
DROP FUNCTION bots_balance_refuse();
DROP FUNCTION bots_book_agrees();
DROP FUNCTION bots_mark_rises();
DROP FUNCTION bots_held(uuid, varchar);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0002_journal'),
        ('market', '0001_initial'),
        ('wallets', '0012_sources'),
    ]

    operations = [
        migrations.CreateModel(
            name='BooksMark',
            fields=[
                ('wallet', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='wallets.wallet')),
                ('fills_until', models.BigIntegerField(default=0)),
                ('payments_until', models.BigIntegerField(default=0, help_text='transfers of funding')),
                ('paid_until', models.BigIntegerField(default=0, help_text='ms; the newest payment that was shared out')),
            ],
        ),
        migrations.CreateModel(
            name='BotTransfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ref', models.CharField(max_length=100)),
                ('kind', models.CharField(choices=[('fill', 'Fill'), ('funding', 'Funding')], max_length=7)),
                ('payment', models.BigIntegerField(help_text="the wallet's transfer that this is a share of", null=True)),
                ('time', models.BigIntegerField(help_text='ms since 1970: when it happened')),
                ('booked_at', models.DateTimeField(auto_now_add=True)),
                ('bot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='bots.bot')),
            ],
        ),
        migrations.CreateModel(
            name='BotEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.CharField(choices=[('held', 'Held'), ('traded', 'Traded'), ('fees', 'Fees'), ('funding', 'Funding')], max_length=7)),
                ('asset', models.CharField(max_length=40)),
                ('amount', models.DecimalField(decimal_places=18, max_digits=38)),
                ('bot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='bots.bot')),
                ('transfer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='bots.bottransfer')),
            ],
        ),
        migrations.CreateModel(
            name='HolderBook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('size', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('cost', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('realised', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('fees', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('funding', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('fills', models.PositiveBigIntegerField(default=0)),
                ('trips', models.PositiveBigIntegerField(default=0)),
                ('volume', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('peak', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('drawdown', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('in_market', models.BigIntegerField(default=0, help_text='ms')),
                ('since', models.BigIntegerField(help_text='ms; of the newest fact', null=True)),
                ('gone', models.DecimalField(decimal_places=18, default=0, help_text='of size; known to have left the venue by itself', max_digits=38)),
                ('last_time', models.BigIntegerField(default=0, help_text='of the newest fill: an older one is late')),
                ('last_ref', models.CharField(blank=True, max_length=100)),
                ('bot', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='book', to='bots.bot')),
                ('instrument', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='market.instrument')),
                ('mark', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='books', to='bots.booksmark')),
            ],
        ),
        migrations.CreateModel(
            name='BotBalance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.CharField(max_length=7)),
                ('asset', models.CharField(max_length=40)),
                ('amount', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('bot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='balances', to='bots.bot')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('bot', 'account', 'asset'), name='bots_balance_key')],
            },
        ),
        migrations.AddIndex(
            model_name='bottransfer',
            index=models.Index(condition=models.Q(('payment__isnull', False)), fields=['payment'], name='bots_transfer_payment'),
        ),
        migrations.AddConstraint(
            model_name='bottransfer',
            constraint=models.UniqueConstraint(fields=('bot', 'ref'), name='bots_transfer_once'),
        ),
        migrations.AddConstraint(
            model_name='bottransfer',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'fill'), ('payment', None)), models.Q(('kind', 'funding'), ('payment__isnull', False)), _connector='OR'), name='bots_transfer_kind'),
        ),
        migrations.AddConstraint(
            model_name='botentry',
            constraint=models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='bots_entry_amount'),
        ),
        migrations.AddConstraint(
            model_name='botentry',
            constraint=models.CheckConstraint(condition=models.Q(('account__in', ['held', 'traded', 'fees', 'funding'])), name='bots_entry_account'),
        ),
        migrations.AddConstraint(
            model_name='holderbook',
            constraint=models.UniqueConstraint(condition=models.Q(('bot', None)), fields=('mark', 'instrument'), name='bots_book_of_person'),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
