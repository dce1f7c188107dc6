"""Who you are and what you did."""
