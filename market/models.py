"""Database tables of market data: venues, instruments, candles and trades."""

from django.db import models

from core.models import LeasedModel
from market.domain.instruments import decimals_of


class Venue(LeasedModel):
    """A trading venue. Leased: at most one feed worker at a time holds its sockets."""

    name = models.SlugField(primary_key=True, max_length=40)
    title = models.CharField(max_length=80)
    simulated = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.title


class Instrument(models.Model):
    """An instrument of a venue with its price and size rules.

    `symbol` is the venue's own name, used in topics and URLs; `base` and `quote` are display names.
    """

    class Kind(models.TextChoices):
        PERP = "perp"
        SPOT = "spot"

    class Direction(models.TextChoices):
        LINEAR = "linear"
        INVERSE = "inverse"

    class Status(models.TextChoices):
        TRADING = "trading"
        PRE_LAUNCH = "pre_launch"
        HALTED = "halted"
        DELISTED = "delisted"

    venue = models.ForeignKey(Venue, on_delete=models.CASCADE, related_name="instruments")
    symbol = models.CharField(max_length=60)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    base = models.CharField(max_length=40)
    quote = models.CharField(max_length=20)
    tick_size = models.DecimalField(max_digits=38, decimal_places=18)
    size_step = models.DecimalField(max_digits=38, decimal_places=18)
    significant_figures = models.PositiveSmallIntegerField(null=True, blank=True)
    min_size = models.DecimalField(max_digits=38, decimal_places=18, default=0)
    max_size = models.DecimalField(max_digits=38, decimal_places=18, null=True, blank=True)
    min_notional = models.DecimalField(max_digits=38, decimal_places=18, default=0)
    contract_size = models.DecimalField(
        max_digits=38, decimal_places=18, default=1, help_text="base units (linear), quote units (inverse)"
    )
    contract_direction = models.CharField(max_length=7, choices=Direction.choices, default=Direction.LINEAR)
    settle_asset = models.CharField(max_length=20, blank=True, help_text="empty: the quote")
    max_leverage = models.PositiveSmallIntegerField(null=True, blank=True)
    leverage_tiers = models.JSONField(
        default=list, blank=True, help_text="[largest notional or null, leverage]"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.TRADING)
    listed_at = models.BigIntegerField(null=True, blank=True, help_text="ms since 1970, UTC")
    expires_at = models.BigIntegerField(null=True, blank=True, help_text="ms since 1970, UTC")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["venue", "symbol"], name="market_instrument_symbol"),
            models.CheckConstraint(
                condition=models.Q(tick_size__gt=0, size_step__gt=0, contract_size__gt=0),
                name="market_instrument_steps",
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue_id} {self.symbol}"

    @property
    def size_decimals(self) -> int:
        """The most decimals that a size has."""
        return decimals_of(self.size_step)

    @property
    def price_decimals(self) -> int:
        """The most decimals that a price has."""
        return decimals_of(self.tick_size)

    @property
    def trading(self) -> bool:
        return self.status == self.Status.TRADING


class Candle(models.Model):
    """A closed candle. Written in batches with `COPY`; a later revision by the venue replaces it."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="candles")
    interval = models.CharField(max_length=4)
    open_time = models.BigIntegerField(help_text="ms since 1970, UTC")
    open = models.DecimalField(max_digits=38, decimal_places=18)
    high = models.DecimalField(max_digits=38, decimal_places=18)
    low = models.DecimalField(max_digits=38, decimal_places=18)
    close = models.DecimalField(max_digits=38, decimal_places=18)
    volume = models.DecimalField(max_digits=38, decimal_places=18, help_text="in base units")

    class Meta:
        constraints = (
            # Index of the chart query: one instrument and interval, before a time, newest first.
            models.UniqueConstraint(fields=["instrument", "interval", "open_time"], name="market_candle_key"),
            models.CheckConstraint(
                condition=models.Q(low__lte=models.F("open"), high__gte=models.F("open"))
                & models.Q(low__lte=models.F("close"), high__gte=models.F("close")),
                name="market_candle_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.interval} {self.open_time}"


class Trade(models.Model):
    """A public trade. Stored only when STORE_TRADES is enabled."""

    class Side(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="trades")
    trade_id = models.CharField(max_length=80)
    time = models.BigIntegerField(help_text="ms since 1970, UTC")
    price = models.DecimalField(max_digits=38, decimal_places=18)
    size = models.DecimalField(max_digits=38, decimal_places=18)
    side = models.CharField(max_length=4, choices=Side.choices, help_text="of the taker")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["instrument", "time", "trade_id"], name="market_trade_key"),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.trade_id}"
