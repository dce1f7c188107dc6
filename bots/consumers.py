"""`bots-supervisor`: the worker that will run bots. It holds a lease and waits for bots."""

from market.hub import WorkerConsumer


class SupervisorConsumer(WorkerConsumer):
    """Alive, visible on the status page, and without work: this version of the house has no bots."""

    channel = "bots-supervisor"
