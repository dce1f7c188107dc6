"""Pure market logic: no Django, no asyncio, no clock, no randomness."""
