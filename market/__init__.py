"""Market data and venue connectivity."""
