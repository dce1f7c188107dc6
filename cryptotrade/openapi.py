"""OpenAPI hooks: drop duplicate routes, add common error responses, describe the authentication schemes."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

if TYPE_CHECKING:
    from drf_spectacular.openapi import AutoSchema

Endpoint = tuple[str, str, str, Any]  # path, path pattern, method, view


def drop_trailing_slashes(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Drop the routes with a trailing slash: each route exists with and without it."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


def add_error_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the error responses that middleware and framework can return for any endpoint."""
    schema = {"$ref": "#/components/schemas/Error"}
    for path, operations in result["paths"].items():
        for operation in operations.values():
            for status in _error_statuses(path, operation):
                response = {
                    "description": HTTPStatus(status).phrase,
                    "content": {"application/json": {"schema": schema}},
                }
                operation["responses"].setdefault(str(status), response)
    return result


def _error_statuses(path: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from (429, 503)
    if any(scheme for scheme in operation.get("security", ()) if scheme):
        yield from (401, 403)
    if "/auth/" in path:
        yield from (401, 403)  # for credentials in the body, or for the caller
    is_paginated = any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ()))
    if "{" in path or is_paginated:
        yield 404
    if operation.get("requestBody"):
        yield from (400, 409, 413, 415)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: "AutoSchema") -> dict[str, Any]:
        description = "An access token, or an API key (`ctk_…`)."
        return {"type": "http", "scheme": "bearer", "description": description}


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.CookieAuthentication"
    name = "access cookie"

    def get_security_definition(self, auto_schema: "AutoSchema") -> dict[str, Any]:
        description = "For browsers; unsafe methods also need the CSRF token."
        return {"type": "apiKey", "in": "cookie", "name": settings.ACCESS_COOKIE, "description": description}


class PageScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.SessionCookieAuthentication"
    name = "session cookie"

    def get_security_definition(self, auto_schema: "AutoSchema") -> dict[str, Any]:
        description = "Session cookie of the pages; unsafe methods also need the CSRF token."
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": description,
        }
