"""What the account pages have in common."""

import json
from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.audit import AuditAction, record
from accounts.models import User


class Unprocessable:
    """A refused form is shown again under status 422."""

    def form_invalid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        if answer.status_code == 200:
            answer.status_code = 422
        return answer


@method_decorator(never_cache, name="dispatch")
class AccountPage(LoginRequiredMixin, Unprocessable):
    """A page of one's own account; `here` names its tab."""

    here = "security"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**context, "here": "account", "tab": self.here}


def owner(request: HttpRequest) -> User:
    """The signed-in user of a page that requires one."""
    assert isinstance(request.user, User)
    return request.user


def note(request: HttpRequest, action: AuditAction, **data: Any) -> None:
    """Record what the signed-in user did to their own account."""
    user = owner(request)
    record(action=action, actor=user, subject=f"user:{user.pk}", data=data, request=request)


def passkey_options(options: dict[str, Any]) -> str:
    """What a browser needs to make or use a passkey, as JSON for `data-options`."""
    return json.dumps(options, cls=DjangoJSONEncoder)
