"""Lockout handler of django-axes that stores no form fields of a failed login."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.http import HttpRequest, QueryDict


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures per account and address. The default handler would store the other submitted fields."""

    def user_login_failed(
        self, sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        if request is None:
            super().user_login_failed(sender, credentials, request, **kwargs)
            return
        submitted = request.GET, request.POST
        vars(request)["GET"], request.POST = QueryDict(), QueryDict()
        try:
            super().user_login_failed(sender, credentials, request, **kwargs)
        finally:
            vars(request)["GET"], request.POST = submitted
