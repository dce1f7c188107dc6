"""Where one is signed in, and ending that."""

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.domain.user_agents import agent_words
from accounts.selectors import session_list
from accounts.services import SID, session_revoke, sessions_revoke_all
from accounts.views.base import owner


def _context(request: HttpRequest) -> dict[str, Any]:
    current = request.session.get(SID)
    # This browser first; the sort is stable, and the list is by last use.
    sessions = sorted(session_list(user=owner(request)), key=lambda session: str(session.sid) != current)
    rows = [(session, agent_words(session.user_agent), str(session.sid) == current) for session in sessions]
    return {"here": "account", "tab": "sessions", "rows": rows}


@never_cache
@login_required
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    return render(request, "account/sessions.html", _context(request))


@never_cache
@login_required
@require_POST
def revoke(request: HttpRequest, sid: uuid.UUID) -> HttpResponse:
    """End one of one's own sessions. Answers the list without it."""
    session = get_object_or_404(session_list(user=owner(request)), sid=sid)
    session_revoke(sid=session.sid, reason="ended by its owner", actor=owner(request), request=request)
    return _answer(request)


@never_cache
@login_required
@require_POST
def revoke_others(request: HttpRequest) -> HttpResponse:
    user = owner(request)
    keep = request.session.get(SID)
    sessions_revoke_all(user=user, reason="ended by its owner", except_sid=keep, actor=user, request=request)
    return _answer(request)


def _answer(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return render(request, "account/sessions_list.html", _context(request))
    return redirect("account:sessions")
