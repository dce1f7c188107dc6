"""What the OpenAPI document leaves out."""

from typing import Any

Endpoint = tuple[str, str, str, Any]  # path, path pattern, method, view


def one_spelling(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Every route of the API also answers with a slash behind it; the document names it once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]
