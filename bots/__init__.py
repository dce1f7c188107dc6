"""Trading bots: strategies, their runs and the supervisor that runs them."""
