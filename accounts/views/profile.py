"""Profile pages: name, e-mail address, data export, account deletion."""

import json
from typing import Any

from allauth.account import views as allauth
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.generic import FormView, UpdateView

from accounts.audit import AuditAction
from accounts.forms import DeleteForm, ProfileForm
from accounts.models import User
from accounts.services.account import DeletionRefused, account_delete, account_export
from accounts.step_up import step_up_required
from accounts.views.base import AccountPage, account_holder, audit


class Profile(AccountPage, UpdateView):
    here = "profile"
    template_name = "account/profile.html"
    form_class = ProfileForm
    success_url = reverse_lazy("account:profile")

    def get_object(self, queryset: QuerySet[User] | None = None) -> User:
        return account_holder(self.request)

    def form_valid(self, form: "ModelForm[User]") -> HttpResponse:
        response = super().form_valid(form)
        audit(self.request, AuditAction.USER_CHANGED, name=form.cleaned_data["name"])
        messages.success(self.request, gettext("Saved."))
        return response


@method_decorator(step_up_required("email.change"), name="dispatch")
class ChangeEmail(AccountPage, allauth.EmailView):
    """Change of the e-mail address: the new one replaces the old one after verification by a code."""

    here = "profile"
    template_name = "account/email.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = allauth.AjaxCapableProcessFormViewMixin.post(self, request, *args, **kwargs)
        return response


@never_cache
@login_required
@require_POST
@step_up_required("account.export")
def export(request: HttpRequest) -> HttpResponse:
    """Download of all stored data of the user as one JSON file, without secrets."""
    user = account_holder(request)
    content = json.dumps(account_export(user=user, request=request), cls=DjangoJSONEncoder, indent=1)
    name = f"cryptotrade-{timezone.now():%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="application/json", headers=headers)


@method_decorator(step_up_required("account.delete"), name="dispatch")
class Delete(AccountPage, FormView):
    here = "profile"
    template_name = "account/delete.html"
    form_class = DeleteForm
    success_url = reverse_lazy("market:landing")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "user": account_holder(self.request)}

    def form_valid(self, form: DeleteForm) -> HttpResponse:
        try:
            account_delete(user=account_holder(self.request), request=self.request)
        except DeletionRefused as refusal:
            form.add_error(None, str(refusal))
            return self.form_invalid(form)
        logout(self.request)
        messages.success(self.request, gettext("Account deleted."))
        return super().form_valid(form)
