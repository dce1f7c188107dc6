"""Pages about who you are."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.services import sign_in_code_redeem


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest) -> HttpResponse:
    """The page behind a one-time link. Its script posts the code that stands after the `#`."""
    if request.method == "GET":
        return render(request, "accounts/link.html")
    user = sign_in_code_redeem(code=request.POST.get("code", ""))
    if user is None:
        return render(request, "accounts/link.html", {"refused": True}, status=422)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("/market/")
