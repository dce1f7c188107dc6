"""Settings of this app, with their defaults; `cryptotrade.settings` includes them. Environment: `.env.example`."""

from core import env

BOT_JOURNAL_DAYS = env.number("BOT_JOURNAL_DAYS", 90)  # retention of decisions after the end of their run
# Per user: bots that are not archived, and running bots.
MAX_BOTS_PER_USER = env.number("MAX_BOTS_PER_USER", 200)
MAX_RUNNING_BOTS_PER_USER = env.number("MAX_RUNNING_BOTS_PER_USER", 100)
