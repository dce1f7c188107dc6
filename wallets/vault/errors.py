class VaultLocked(Exception):
    """A key cannot be used; `reason` says why and what to do, and never holds any of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSealingKey(Exception):
    """There is nothing to seal to."""

    def __str__(self) -> str:
        return "No key to seal to: run `manage.py sealing_keys init` where execution runs."
