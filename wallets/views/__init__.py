"""Views of orders and wallets, and of the private fragments of the trading page."""
