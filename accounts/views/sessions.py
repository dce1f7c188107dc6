"""Session and activity pages: the sessions of the user and their revocation, the audit log of the account."""

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.authentication import SignedInHttpRequest
from accounts.domain.user_agents import describe_user_agent
from accounts.selectors import session_list
from accounts.services import (
    SID,
    session_revoke,
    sessions_revoke_all,
)
from accounts.views.base import account_holder

# The first match wins: other browsers include the marks of Chrome and Safari as well.


def _context(request: HttpRequest) -> dict[str, Any]:
    current = request.session.get(SID)
    # The current browser first; the sort is stable, so the others stay ordered by last use.
    sessions = sorted(
        session_list(user=account_holder(request)), key=lambda session: str(session.sid) != current
    )
    rows = [
        (session, describe_user_agent(session.user_agent), str(session.sid) == current)
        for session in sessions
    ]
    return {"here": "account", "tab": "sessions", "rows": rows}


@never_cache
@login_required
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    return render(request, "account/sessions.html", _context(request))


@never_cache
@login_required
@require_POST
def revoke(request: SignedInHttpRequest, sid: uuid.UUID) -> HttpResponse:
    """Revoke one of the user's sessions. Returns the updated list."""
    session = get_object_or_404(session_list(user=account_holder(request)), sid=sid)
    session_revoke(
        sid=session.sid, reason="ended by its owner", actor=account_holder(request), request=request
    )
    return _session_list(request)


@never_cache
@login_required
@require_POST
def revoke_others(request: SignedInHttpRequest) -> HttpResponse:
    user = account_holder(request)
    keep = request.session.get(SID)
    sessions_revoke_all(user=user, reason="ended by its owner", except_sid=keep, actor=user, request=request)
    return _session_list(request)


def _session_list(request: SignedInHttpRequest) -> HttpResponse:
    if request.htmx:
        return render(request, "account/sessions_list.html", _context(request))
    return redirect("account:sessions")


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
