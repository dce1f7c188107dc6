"""What is yours."""
