"""What the venue refuses, in its own words."""

NEVER_PLACED = "Order was never placed, already canceled, or filled."
MODIFY_GONE = "Cannot modify canceled or filled order."
EXPIRED = "Action already expired"
NO_SIGNER = "Unable to recover signer."
BAND = "Order price cannot be more than 80% away from the reference price"
NO_ORDERS = "Orders are empty."
TWAP_GONE = "TWAP was never placed, already canceled, or filled."


class Unprocessable(Exception):
    """The body is not one of the venue's: HTTP 422."""


class Refused(Exception):
    """The whole action is refused: HTTP 200 with `status` "err" and this text."""


class OrderRefused(Exception):
    """One order is refused. `status` is what its history says; None keeps it out of the history."""

    def __init__(self, text: str, status: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class BatchRefused(Exception):
    """One error that stands for all orders of the batch."""


def unknown_wallet(address: str) -> Refused:
    return Refused(f"User or API Wallet {address} does not exist.")


def must_deposit(address: str) -> Refused:
    return Refused(f"Must deposit before performing actions. User: {address}")
