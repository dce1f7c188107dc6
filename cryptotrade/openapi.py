"""What the OpenAPI document leaves out, and how it names the ways to sign in."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

Endpoint = tuple[str, str, str, Any]  # path, path pattern, method, view


def one_spelling(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Every route of the API also answers with a slash behind it; the document names it once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


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
