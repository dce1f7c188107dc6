"""Pages about what is yours: orders, wallets, and the private parts of the trading screen."""
