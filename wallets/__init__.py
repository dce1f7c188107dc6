"""Wallets, orders, positions and ledger: keys, risk checks, order execution and reconciliation."""
