"""What the OpenAPI document leaves out, what every operation may answer, and the ways to sign in."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

Endpoint = tuple[str, str, str, Any]  # path, path pattern, method, view


def one_spelling(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Every route of the API also answers with a slash behind it; the document names it once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


def every_refusal(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Adds the refusals that no endpoint decides for itself, all in the one error shape."""
    schema = {"$ref": "#/components/schemas/Error"}
    for path, operations in result["paths"].items():
        for operation in operations.values():
            for status in _refusals(path, operation):
                told = {
                    "description": HTTPStatus(status).phrase,
                    "content": {"application/json": {"schema": schema}},
                }
                operation["responses"].setdefault(str(status), told)
    return result


def _refusals(path: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from (429, 503)
    if any(scheme for scheme in operation.get("security", ()) if scheme):
        yield from (401, 403)
    if "/auth/" in path:
        yield from (401, 403)  # of what was sent in the body, or by whom
    pages = any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ()))
    if "{" in path or pages:
        yield 404
    if operation.get("requestBody"):
        yield from (400, 409, 413, 415)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        description = "An access token, or an API key (`ctk_…`)."
        return {"type": "http", "scheme": "bearer", "description": description}


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.CookieAuthentication"
    name = "access cookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        description = "For browsers; changes want the CSRF token too."
        return {"type": "apiKey", "in": "cookie", "name": settings.ACCESS_COOKIE, "description": description}


class PageScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.PageAuthentication"
    name = "session cookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        description = "That of the pages; changes want the CSRF token too."
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": description,
        }
