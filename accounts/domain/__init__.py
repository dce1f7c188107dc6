"""Pure rules of accounts: no Django, clock or randomness."""
