"""Market pages as served: values in the first rendering, and a page for every failure."""

import importlib
import re
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from core import leases
from core.models import Worker
from cryptotrade.errors import error_response
from market import hub, selectors
from market.models import Venue
from tests.accounts import browser_client
from tests.market import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_redis():
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


@pytest.fixture
def market():
    return factories.market_make()


@pytest.fixture
def no_redis(monkeypatch):
    def refuse(*_args):
        raise redis.ConnectionError("refused")

    for name in ("topic_read", "topic_watch", "venue_statuses"):
        monkeypatch.setattr(hub, name, refuse)


def names(page):
    return re.findall(r'data-name="(\S+)', page)


PAGES = ["/", "/market/", "/market/hyperliquid-sim/BTC/", "/status/", "/accounts/login/"]


@pytest.mark.parametrize("path", PAGES)
def test_page_answers_with_live_values(client, market, path):
    factories.publish()
    assert client.get(path).status_code == 200


def test_first_rendering_has_the_values_from_redis(client, market):
    factories.publish()
    page = client.get("/market/").content.decode()
    assert ">71,284<" in page
    assert ">+1.87%<" in page
    assert ">3.63B<" in page
    assert ">0.003402<" in page


def test_rows_of_a_live_venue_are_not_stale_but_a_row_without_a_tick_is(client, market):
    factories.publish()
    page = client.get("/market/").content.decode()
    assert re.search(r'data-symbol="BTC"[^>]*data-age-ms="\d+">', page)
    assert re.search(r'id="tick-hyperliquid-sim-PURR/USDC"[^>]*data-stale="true"', page)


def test_rows_of_a_silent_venue_are_stale(client, market):
    factories.publish(status="down", age_ms=20_000)
    page = client.get("/market/").content.decode()
    assert page.count('data-stale="true"') >= len(factories.COINS)


def test_simulated_venue_carries_its_badge_on_every_page_with_prices(client, market):
    factories.publish()
    for path in PAGES[:4]:
        assert "Simulated" in client.get(path).content.decode(), path


def test_real_venue_carries_no_badge(client):
    venue = factories.venue_make("hyperliquid", "Hyperliquid", simulated=False)
    factories.instrument_make(venue, "BTC", 5)
    factories.publish("hyperliquid")
    assert "sim-badge" not in client.get("/market/").content.decode()


def test_empty_installation_shows_how_to_start(client):
    for path in ("/", "/market/"):
        assert "The market data feed has not reported yet" in client.get(path).content.decode()
    assert "make run" in client.get("/status/").content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_page_renders_without_redis(client, market, no_redis, path):
    response = client.get(path)
    assert response.status_code == 200
    assert "71,284" not in response.content.decode()


def test_without_redis_prices_are_dashes_and_stale(client, market, no_redis):
    page = client.get("/market/").content.decode()
    row = page[page.index('id="tick-hyperliquid-sim-BTC"') :][:400]
    assert 'data-stale="true"' in row
    assert "\N{EN DASH}" in page


def test_status_page_renders_without_the_database(client, monkeypatch):
    def refuse():
        raise DatabaseError("gone")

    # `market.selectors.system_status` is the function of that name; the module must be imported by path.
    monkeypatch.setattr(importlib.import_module("market.selectors.system_status"), "_workers", refuse)
    monkeypatch.setattr("market.templatetags.market.venue_states", refuse)
    page = client.get("/status/").content.decode()
    assert "Unreachable" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["BTC", "ETH", "SOL", "kPEPE", "FLAT", "PURR/USDC"]),
        ("sort=volume", ["FLAT", "kPEPE", "SOL", "ETH", "BTC", "PURR/USDC"]),
        ("sort=-change", ["ETH", "BTC", "kPEPE", "FLAT", "SOL", "PURR/USDC"]),
        ("sort=name", ["BTC", "ETH", "FLAT", "kPEPE", "PURR/USDC", "SOL"]),
        ("sort=-last", ["BTC", "ETH", "SOL", "FLAT", "kPEPE", "PURR/USDC"]),
        ("sort=nonsense", ["BTC", "ETH", "SOL", "kPEPE", "FLAT", "PURR/USDC"]),
        ("q=pe", ["kPEPE"]),
        ("q=purr/usdc", ["PURR/USDC"]),
        ("kind=spot", ["PURR/USDC"]),
        ("kind=option&q=eth", ["ETH"]),
        ("venue=elsewhere", []),
    ],
)
def test_markets_table_sorts_and_filters_without_scripts(client, market, query, expected):
    factories.publish()
    assert names(client.get(f"/market/?{query}").content.decode()) == expected


def test_markets_table_offers_to_clear_a_filter_without_matches(client, market):
    page = client.get("/market/?q=zzz").content.decode()
    assert "No matching instruments" in page
    assert "Clear the filter" in page


def test_sorted_column_says_so_and_its_link_reverses(client, market):
    factories.publish()
    page = client.get("/market/").content.decode()
    header = re.search(r'data-sort="volume"[^>]*aria-sort="(\w+)"><a href="([^"]+)"', page)
    assert header
    assert header.groups() == ("descending", "?sort=volume")


def test_gainers_and_losers_are_listed(client, market):
    factories.publish()
    page = client.get("/market/").content.decode()
    rising, falling = page.index("Top gainers"), page.index("Top losers")
    assert "ETH" in page[rising:falling]
    assert "SOL" in page[falling : page.index(">Data feeds<")]


def test_sparkline_is_drawn_from_stored_candles(client, market):
    factories.candles_make(market.instruments.get(symbol="BTC"), 96)
    factories.publish()
    page = client.get("/market/?q=BTC").content.decode()
    points = re.search(r'<polyline points="([^"]+)"', page)
    assert points
    assert len(points[1].split()) == 40


def test_instrument_page_shows_book_tape_and_candles_that_are_known(client, market):
    factories.candles_make(market.instruments.get(symbol="BTC"), 30)

    def offer(publisher):
        publisher.queue_book("BTC", factories.book())
        publisher.queue_trades("BTC", [factories.trade(number) for number in range(1, 4)])

    factories.publish(offer=offer)
    page = client.get("/market/hyperliquid-sim/BTC/?interval=15m").content.decode()
    asks = re.findall(
        r"<td>([\d,]+)</td>", page[page.index('data-side="ask"') : page.index('data-side="bid"')]
    )
    assert asks[-1] == "71,285"
    assert asks[0] == "71,306"
    assert page.count("data-depth=") == 44
    assert 'data-tape="trades.hyperliquid-sim.BTC"' in page
    assert "Last 20 closed candles" in page


def test_instrument_page_marks_its_book_and_trades_as_watched(client, market):
    client.get("/market/hyperliquid-sim/BTC/")
    watched = {
        name.decode()
        for name, _ in redis.Redis.from_url(settings.REDIS_URL).zscan_iter("ct:interest:hyperliquid-sim")
    }
    assert watched == {"book.hyperliquid-sim.BTC", "trades.hyperliquid-sim.BTC"}


def test_symbol_with_a_slash_has_a_page(client, market):
    assert client.get("/market/hyperliquid-sim/PURR/USDC/").status_code == 200


@pytest.mark.parametrize("path", ["/market/hyperliquid-sim/NOPE/", "/market/nowhere/BTC/", "/nothing"])
def test_unknown_address_is_a_page_that_says_where_to_go(client, market, path):
    response = client.get(path, headers={"accept": "text/html"})
    assert response.status_code == 404
    page = response.content.decode()
    assert "NOT_FOUND" in page
    assert "Open markets" in page


def test_server_error_page_has_its_request_id_and_no_internals(client, market, monkeypatch):
    def fail(**_asked):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(selectors, "market_table", fail)
    client.raise_request_exception = False
    response = client.get("/market/", headers={"accept": "text/html"})
    page = response.content.decode()
    assert response.status_code == 500
    assert "INTERNAL_ERROR" in page
    assert response.headers["X-Request-ID"] in page
    assert "secret detail" not in page


@pytest.mark.parametrize(
    ("status", "words"), [(400, "Bad request"), (403, "No permission"), (503, "Service unavailable")]
)
def test_every_error_is_a_page_that_says_what_to_do(rf, status, words):
    page = error_response(rf.get("/market/", headers={"accept": "text/html"}), status).content.decode()
    assert words in page
    assert "View status" in page


def test_expired_form_says_so(alice):
    browser = Client(enforce_csrf_checks=True)
    response = browser.post("/accounts/login/", {"login": "x"}, headers={"accept": "text/html"})
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_unknown_interval_falls_back(client, market):
    assert (
        "candles.hyperliquid-sim.BTC.15m"
        in client.get("/market/hyperliquid-sim/BTC/?interval=7x").content.decode()
    )


@pytest.mark.parametrize(
    ("cookie", "theme"), [("light", "light"), ("system", "system"), ("", "dark"), ('"><script>', "dark")]
)
def test_theme_is_rendered_by_the_server(client, cookie, theme):
    client.cookies["theme"] = cookie
    assert f'<html lang="en" data-theme="{theme}">' in client.get("/status/").content.decode()


def test_sign_in_refuses_with_one_sentence_and_keeps_the_address(client, alice):
    response = client.post("/accounts/login/", {"login": "alice@example.org", "password": "wrong"})
    page = response.content.decode()
    assert "E-mail and password do not match." in page
    assert 'value="alice@example.org"' in page
    assert "wrong" not in page


def test_sign_in_and_out(client, alice):
    browser_client.confirm(alice)
    response = browser_client.sign_in(client)
    assert response.headers["Location"] == "/market/"
    assert "Sign out" in client.get("/market/").content.decode()
    assert client.post("/accounts/logout/").headers["Location"] == "/"


def test_symbols_are_escaped(client, market):
    factories.instrument_make(market, "<b>x", 2, symbol="X<b>")
    page = client.get("/market/").content.decode()
    assert "<b>x" not in page
    assert "&lt;b&gt;x" in page


def test_status_names_the_worker_of_a_venue_without_its_host(client, market):
    worker = leases.worker_register(channel="market-feed")
    (held,) = leases.claim(Venue, worker)
    page = client.get("/status/").content.decode()
    assert f"market-feed {str(worker)[:8]}" in page
    assert held.epoch == 1
    row = Worker.objects.get(pk=worker)
    assert row.host not in page
    assert "Running" in page


def test_status_says_when_a_lease_has_ended(client, market):
    worker = leases.worker_register(channel="market-feed")
    leases.claim(Venue, worker)
    Worker.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    page = client.get("/status/").content.decode()
    assert "lease expired" in page
    assert "Stopped" in page


@pytest.mark.parametrize("kind", ["market/venue", "market/instrument", "core/worker"])
def test_administrators_view_but_do_not_add(client, market, kind):
    root = browser_client.confirm(User.objects.create_superuser("root@example.org", browser_client.PASSWORD))
    secret = browser_client.totp_enable(root)
    browser_client.sign_in(client, email=root.email)
    client.post("/accounts/login/second-factor/", {"code": browser_client.totp_code(secret)})
    leases.worker_register(channel="market-feed")
    assert client.get(f"/admin/{kind}/").status_code == 200
    assert client.get(f"/admin/{kind}/add/").status_code == 403
