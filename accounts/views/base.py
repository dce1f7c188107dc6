"""Base classes and helpers of the account pages."""

import json
from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.serializers.json import DjangoJSONEncoder
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.audit import AuditAction, record
from accounts.models import User


class Status422Mixin:
    """Form view that renders an invalid form with status 422."""

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        if response.status_code == 200:
            response.status_code = 422
        return response


@method_decorator(never_cache, name="dispatch")
class AccountPage(LoginRequiredMixin, Status422Mixin):
    """Page of the signed-in user's account; `here` is the name of its tab."""

    here = "security"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**context, "here": "account", "tab": self.here}


def account_holder(request: HttpRequest) -> User:
    """The signed-in user of a page that requires a login."""
    assert isinstance(request.user, User)
    return request.user


def audit(request: HttpRequest, action: AuditAction, **data: Any) -> None:
    """Record an action of the signed-in user on the own account."""
    user = account_holder(request)
    record(action=action, actor=user, subject=f"user:{user.pk}", data=data, request=request)


def passkey_options(options: dict[str, Any]) -> str:
    """WebAuthn options for creating or using a passkey, as JSON for the attribute `data-options`."""
    return json.dumps(options, cls=DjangoJSONEncoder)
