"""django-axes' handler, which would keep what was typed beside the password."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.http import HttpRequest, QueryDict


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures per account and address. Of the form that failed nothing is stored."""

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        if request is None:
            super().user_login_failed(sender, credentials, request, **kwargs)
            return
        sent = request.GET, request.POST
        vars(request)["GET"], request.POST = QueryDict(), QueryDict()
        try:
            super().user_login_failed(sender, credentials, request, **kwargs)
        finally:
            vars(request)["GET"], request.POST = sent
