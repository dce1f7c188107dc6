"""Project package: settings, routes, process wiring. Contains no trading logic."""
