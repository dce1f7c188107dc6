"""API key pages: list, create (the secret is shown once), revoke."""

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import FormView

from accounts.authentication import SignedInHttpRequest
from accounts.forms import ApiKeyForm
from accounts.selectors import api_key_list
from accounts.services import TooManyKeys, api_key_create, api_key_revoke
from accounts.step_up import step_up_required
from accounts.views.base import AccountPage, account_holder


def _context(request: HttpRequest) -> dict[str, Any]:
    keys = api_key_list(user=account_holder(request))
    return {"here": "account", "tab": "keys", "keys": keys, "now": timezone.now()}


@never_cache
@login_required
@require_GET
def keys(request: HttpRequest) -> HttpResponse:
    return render(request, "account/keys.html", _context(request))


@method_decorator(step_up_required("api_key.create"), name="dispatch")
class NewKey(AccountPage, FormView):
    here = "keys"
    template_name = "account/key_new.html"
    form_class = ApiKeyForm

    def form_valid(self, form: ApiKeyForm) -> HttpResponse:
        """Render the page with the secret, which appears in no other response and is not stored."""
        try:
            key, secret = api_key_create(
                user=account_holder(self.request), request=self.request, **form.cleaned_data
            )
        except TooManyKeys as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        return render(
            self.request, "account/key_made.html", {**_context(self.request), "key": key, "secret": secret}
        )


@never_cache
@login_required
@require_POST
def revoke(request: SignedInHttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Revoke one of the user's keys. Returns the updated list."""
    key = get_object_or_404(api_key_list(user=account_holder(request)), pk=pk)
    api_key_revoke(key=key, actor=account_holder(request), request=request)
    if request.htmx:
        return render(request, "account/keys_list.html", _context(request))
    return redirect("account:keys")
