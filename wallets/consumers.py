"""`wallets-execution`: the worker that will send orders. It holds a lease and waits for wallets."""

from market.hub import WorkerConsumer


class ExecutionConsumer(WorkerConsumer):
    """Alive, visible on the status page, and without work: this version of the house has no wallets."""

    channel = "wallets-execution"
