"""Pure domain rules of accounts: no Django, no clock, no randomness."""
