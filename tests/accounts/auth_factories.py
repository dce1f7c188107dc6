"""Factories of credential tests: verified users, authenticated API clients, API keys, valid codes."""

import re
import time

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import AuthSession
from accounts.services import api_key_create, session_open, tokens_issue

PASSWORDS = {"alice": "correct horse battery", "bob": "staple horse battery"}


def request(**headers):
    made = RequestFactory().post("/", headers=headers)
    made.META["REMOTE_ADDR"] = "192.0.2.7"
    return made


def verified(user):
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def program(user, *, fresh=True):
    """An API client with an access token; `client.pair` has both tokens and the session."""
    now = timezone.now() if fresh else None
    session = session_open(user=user, kind=AuthSession.Kind.API, request=request(), step_up_at=now)
    client = APIClient()
    client.pair = tokens_issue(session=session)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {client.pair.access}")
    return client


def access_of(user):
    return program(user).pair.access


def bearer(token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def browser(user, **options):
    client = APIClient(**options)
    client.force_login(user)
    return client


def key_of(user, scopes=("read",), days=30):
    return api_key_create(user=user, name="test", scopes=scopes, days=days)


def totp(secret, *, step=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


def mailed_code():
    return re.search(r"\b(\d{6})\b", mail.outbox[-1].body).group(1)
