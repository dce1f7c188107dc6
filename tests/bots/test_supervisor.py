"""Supervisor consumer without bots: it deletes expired rows once an hour."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from bots import consumers
from bots.consumers import SupervisorConsumer
from core.models import Worker


@pytest.mark.django_db(transaction=True)
async def test_expired_rows_are_deleted_once_an_hour(monkeypatch):
    now = timezone.now()
    await Session.objects.acreate(session_key="old", session_data="", expire_date=now - timedelta(days=1))
    await Session.objects.acreate(session_key="new", session_data="", expire_date=now + timedelta(days=1))
    for age in (2, 0):
        ended = now - timedelta(hours=age)
        await Worker.objects.acreate(channel="market-feed", host=f"{age}", pid=1, lease_until=ended)
    worker = SupervisorConsumer()
    await worker.clean()
    assert [w.host async for w in Worker.objects.all()] == ["0"]
    assert [s.session_key async for s in Session.objects.all()] == ["new"]
    calls = []
    monkeypatch.setattr(consumers, "expired_delete", lambda **_: calls.append(1) or {})
    await worker.clean()
    assert calls == []
    worker._clean_due = 0.0
    await worker.clean()
    assert calls == [1]
