"""Pure trading logic of bots: no Django, no asyncio, no clock, no randomness."""
