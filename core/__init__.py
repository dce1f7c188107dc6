"""Base app below all others: leases, worker processes, database threads, nudges, rate limiter, API base views."""
