"""Activity page: the audit log of the user's own account."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.views.base import account_holder

PAGE = 50


@never_cache
@login_required
@require_GET
def activity(request: HttpRequest) -> HttpResponse:
    """A page of entries, newest first; `?before=<seq>` continues after the previous page."""
    entries = audit.audit_entries(account_holder(request))
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        entries = entries.filter(seq__lt=int(before))
    rows = list(entries[: PAGE + 1])
    older = rows[PAGE - 1].seq if len(rows) > PAGE else None
    context = {"here": "account", "tab": "activity", "rows": rows[:PAGE], "older": older, "before": before}
    return render(request, "account/activity.html", context)
