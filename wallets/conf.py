"""Settings of this app, with their defaults; `cryptotrade.settings` includes them. Environment: `.env.example`."""

from pathlib import Path

from core import env

VAR_DIR = env.var_dir()

# Folder of the private keys of the execution worker; no other process needs access to it.
SEALING_KEY_DIR = Path(env.text("SEALING_KEY_DIR", str(VAR_DIR / "secrets" / "execution")))

# Default limits of wallets without their own. Notionals in quote units.
MAX_ORDER_NOTIONAL = env.number("MAX_ORDER_NOTIONAL", 100_000)
MAX_DAILY_NOTIONAL = env.number("MAX_DAILY_NOTIONAL", 1_000_000)
MAX_POSITION_NOTIONAL = env.number("MAX_POSITION_NOTIONAL", 500_000)
MAX_LEVERAGE = env.number("MAX_LEVERAGE", 10)
PRICE_BAND_PERCENT = env.number("PRICE_BAND_PERCENT", 10)
MAX_ORDERS_PER_MINUTE = env.number("MAX_ORDERS_PER_MINUTE", 120)
