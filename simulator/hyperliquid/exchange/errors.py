"""Errors of the venue, with the venue's own messages."""

NEVER_PLACED = "Order was never placed, already canceled, or filled."
MODIFY_NOT_FOUND = "Cannot modify canceled or filled order."
EXPIRED = "Action already expired"
NO_SIGNER = "Unable to recover signer."
BAND = "Order price cannot be more than 80% away from the reference price"
NO_ORDERS = "Orders are empty."
TWAP_NOT_FOUND = "TWAP was never placed, already canceled, or filled."


class Unprocessable(Exception):
    """The body does not match the venue's schema: HTTP 422."""


class Refused(Exception):
    """The whole action is rejected: HTTP 200 with `status` "err" and this text."""


class OrderRefused(Exception):
    """One order is rejected. `status` is its status in the order history; None keeps it out of the history."""

    def __init__(self, text: str, status: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class BatchRefused(Exception):
    """All orders of the batch are rejected with this one error."""


def unknown_wallet(address: str) -> Refused:
    return Refused(f"User or API Wallet {address} does not exist.")


def must_deposit(address: str) -> Refused:
    return Refused(f"Must deposit before performing actions. User: {address}")
