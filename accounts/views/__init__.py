"""Pages about who you are."""
