"""Error tuples, each defined once: what a client of the database or of Redis raises when the server is unavailable."""

import redis
from django.db import InterfaceError, OperationalError

# The database restarts or cannot be reached. Any other database error is a bug and ends the task that raised it.
DATABASE_ERRORS = (OperationalError, InterfaceError)
# Redis restarts, cannot be reached or rejects the command. Redis holds no data that cannot be lost.
REDIS_ERRORS = (redis.RedisError, OSError, TimeoutError)
# Redis cannot be reached: a subset of `REDIS_ERRORS` without the commands that Redis rejects.
REDIS_CONNECTION_ERRORS = (redis.ConnectionError, redis.TimeoutError)
