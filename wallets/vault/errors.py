class VaultLocked(Exception):
    """A key cannot be used; `reason` says why and what to do, and never contains key material."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSealingKey(Exception):
    """There is no active sealing key."""

    def __str__(self) -> str:
        return "No sealing key: run `manage.py sealing_keys init` where the execution worker runs."
