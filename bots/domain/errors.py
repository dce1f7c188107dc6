"""What can be wrong with what somebody asks of a bot: one tree, with sentences for people."""


class BotError(Exception):
    """Root of this tree. `sentence` is for people."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class BotInvalid(BotError):
    """Nothing was stored. `errors` is field (or input) → one sentence."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(" ".join(errors.values()))


class BotConflict(BotError):
    """What was asked for contradicts what is there."""


class BotNotFound(BotError):
    """There is no such bot, or it is somebody else's: nobody learns which."""
