"""Bots in the house of `manage.py chaos`: what they are, what their owners do, and what must be true after.

`plan` says from a seed which bots there are and what is done to them; `people` does it by the API;
`takeovers` measures how long a bot is without a supervisor; `reckoning` reads the journals, replays them
and compares books; `part` holds it all together for `wallets.management.chaos`.
"""
