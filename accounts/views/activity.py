"""The audit trail of one's own account."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.views.base import owner

PAGE = 50


@never_cache
@login_required
@require_GET
def trail(request: HttpRequest) -> HttpResponse:
    """Newest first; `?before=<number>` goes on where a page ended."""
    entries = audit.trail(owner(request))
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        entries = entries.filter(seq__lt=int(before))
    rows = list(entries[: PAGE + 1])
    older = rows[PAGE - 1].seq if len(rows) > PAGE else None
    context = {"here": "account", "tab": "trail", "rows": rows[:PAGE], "older": older, "before": before}
    return render(request, "account/activity.html", context)
