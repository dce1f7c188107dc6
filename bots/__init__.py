"""Who decides for you."""
