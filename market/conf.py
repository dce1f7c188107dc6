"""Settings of this app, with their defaults; `cryptotrade.settings` includes them. Environment: `.env.example`."""

import socket

from core import env

# Venues read by the feed worker; `simulator` implements the protocol of `hyperliquid`.
VENUES = env.csv_list("VENUES", "hyperliquid-sim")
SIMULATOR_PORT = env.number("SIMULATOR_PORT", 8010)
SIMULATOR_URL = env.text("SIMULATOR_URL", f"http://127.0.0.1:{SIMULATOR_PORT}")
SIMULATOR_CONTROL_PORT = env.number("SIMULATOR_CONTROL_PORT", 8011)
# A request to the control plane needs this token; `make run` generates it in var/secrets.
SIMULATOR_TOKEN = env.secret("SIMULATOR_TOKEN", folder=env.var_dir() / "secrets") or ""
SIMULATOR_SEED = env.number("SIMULATOR_SEED", 0)  # 0: continue with the last one
SIMULATOR_PLAYBACK_DIR = env.text("SIMULATOR_PLAYBACK_DIR", "")  # folder of recorded candles
SIMULATOR_PLAYBACK_FROM = env.text("SIMULATOR_PLAYBACK_FROM", "")
SIMULATOR_PLAYBACK_SPEED = env.text("SIMULATOR_PLAYBACK_SPEED", "1")
SIMULATOR_LIMITS = env.text("SIMULATOR_LIMITS", "lenient")  # or `documented`: those of the venue
HYPERLIQUID_URL = env.text("HYPERLIQUID_URL", "https://api.hyperliquid.xyz")
# Processes with the same id share a network address, by which venues count requests.
EGRESS_ID = env.text("EGRESS_ID", socket.gethostname())
# Accounts with private streams per process; a venue allows ten per network address.
MAX_PRIVATE_STREAMS = env.number("MAX_PRIVATE_STREAMS", 8)
HYPERLIQUID_NETWORK = env.text("HYPERLIQUID_NETWORK", "mainnet")  # or `testnet`; must match HYPERLIQUID_URL
STORE_TRADES = env.flag("STORE_TRADES", default=False)


# Connections to /ws/stream, per web process.
MAX_STREAMS_PER_ADDRESS = env.number("MAX_STREAMS_PER_ADDRESS", 512)
MAX_STREAMS_PER_USER = env.number("MAX_STREAMS_PER_USER", 32)
