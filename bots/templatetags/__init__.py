"""Bots in words, figures and lines."""
