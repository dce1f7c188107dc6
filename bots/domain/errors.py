"""Errors of requests to bots: one exception tree; each carries a message for the user."""


class BotError(Exception):
    """Base class of all bot errors. `message` is shown to the user."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class BotInvalid(BotError):
    """Validation failed and nothing was stored. `errors` maps a field (or input) to one sentence."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(" ".join(errors.values()))


class BotConflict(BotError):
    """The request conflicts with the current state."""


class BotNotFound(BotError):
    """No such bot, or it belongs to another user: the error does not say which of the two."""
