"""Account engine of the simulated venue: signatures, balances and positions, and order execution.

The package has no clock and no sockets: `AccountEngine` receives actions and the time, and returns notifications.
"""
