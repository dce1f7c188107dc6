"""The roof: settings, routes, process wiring. Decides nothing about money."""
