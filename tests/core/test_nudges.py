"""Nudges: received by every listener, and never blocking the sender."""

import asyncio
import contextlib
import uuid

import redis.asyncio

from core import nudges as module
from core.nudges import NudgeSubscription, nudge


@contextlib.asynccontextmanager
async def listening(channel, count=1):
    """Tasks subscribed to `channel`, each with the list of its received keys, once all have subscribed."""
    received = [[] for _ in range(count)]

    async def listen(to):
        async for key in NudgeSubscription(channel):
            to.append(key)

    tasks = [asyncio.create_task(listen(one)) for one in received]
    try:
        await until_subscribed(channel, count)
        yield received, tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_subscribed(channel, count):
    async with asyncio.timeout(60), redis.asyncio.Redis.from_url(module.settings.REDIS_URL) as client:
        name = module.nudge_channel(channel)
        while (await client.pubsub_numsub(name))[0][1] != count:
            await asyncio.sleep(0.01)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_every_listener_of_a_channel_receives_its_nudges_and_no_others():
    mine, other = f"mine-{uuid.uuid4()}", f"other-{uuid.uuid4()}"
    async with listening(mine, count=2) as (received, _):
        await asyncio.to_thread(nudge, other, "not-for-us")
        await asyncio.to_thread(nudge, mine, "wallet-1")
        await until(lambda: all(received))
        assert received == [["wallet-1"], ["wallet-1"]]


async def test_a_listener_with_a_cut_connection_reconnects(monkeypatch):
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.01)
    channel = f"cut-{uuid.uuid4()}"
    async with listening(channel) as (received, _):
        async with redis.asyncio.Redis.from_url(module.settings.REDIS_URL) as client:
            ours = await client.client_info()  # other tests listen on the same server, in other databases
            listeners = await client.client_list(_type="pubsub")
            for one in (one for one in listeners if int(one["db"]) == int(ours["db"])):
                await client.client_kill_filter(_id=one["id"])
        async with asyncio.timeout(60):
            while not received[0]:  # nudges before the subscription are lost
                await asyncio.to_thread(nudge, channel, "after")
                await asyncio.sleep(0.05)


async def test_a_cancelled_listener_ends_and_leaves_no_subscription():
    channel = f"gone-{uuid.uuid4()}"
    async with listening(channel) as (_, tasks):
        tasks[0].cancel()
        await until_subscribed(channel, 0)
        await until(tasks[0].done)


def test_without_redis_a_nudge_is_lost_quietly(settings, tmp_path, caplog):
    settings.REDIS_URL = f"unix://{tmp_path / 'missing.sock'}"
    caplog.set_level("INFO")
    for _ in range(3):
        nudge("wallets-execution", "wallet-1")
    assert caplog.messages == ["Redis does not answer"]
