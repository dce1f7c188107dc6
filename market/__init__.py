"""What the world does, and how one talks to a venue."""
