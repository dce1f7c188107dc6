"""Middleware for response headers that Django does not set: permissions policy, CORP, Cache-Control."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from cryptotrade.logging import user_of

# Browser hardware is never used; passkeys and copying a new key to the clipboard are.
PERMISSIONS = ", ".join(
    [
        *(
            f"{feature}=()"
            for feature in (
                "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture",
                "encrypted-media", "gamepad", "geolocation", "gyroscope", "hid", "idle-detection",
                "local-fonts", "magnetometer", "microphone", "midi", "payment",
                "picture-in-picture",  # vocabulary: name of the browser feature
                "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
            )
        ),
        *(
            f"{feature}=(self)"
            for feature in (
                "clipboard-write", "fullscreen", "publickey-credentials-create", "publickey-credentials-get",
            )
        ),
    ]
)  # fmt: skip


class HeadersMiddleware:
    """Second-outermost middleware (after the request id): covers static files, redirects and errors."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Permissions-Policy"] = PERMISSIONS
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        if user_of(request) and "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"  # personal pages must not be cached
        return response
