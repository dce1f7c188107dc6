"""Client of the simulator: fault injection by its control plane, and the venue's state of an account."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
from django.conf import settings

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=20)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "lost_reply", "share": 0.25, "count": 10_000_000},
    {"kind": "lost_request", "share": 0.10, "count": 10_000_000},
    {"kind": "unknown_oid"},
    {"kind": "delay", "ms": 120},
    {"kind": "duplicate", "count": 10_000_000},
    {"kind": "reorder"},
    {"kind": "partial_fills", "parts": 3},
)
# Short faults, started at random times.
OUTAGES: tuple[dict[str, Any], ...] = (
    {"kind": "http_429", "seconds": 2},
    {"kind": "maintenance", "seconds": 3},
    {"kind": "http_500", "seconds": 2},
    {"kind": "disconnect", "code": 1006},
    {"kind": "half_open", "seconds": 12},  # the streams send nothing; only REST requests return data
)
LONG = 3_600


@dataclass(frozen=True, slots=True)
class VenueOrderRecord:
    """An order in the venue's history."""

    venue_id: str
    client_id: str | None
    symbol: str
    status: str

    @property
    def was_accepted(self) -> bool:
        """False for a rejected order, which the history contains too."""
        return not self.status.endswith("Rejected") and self.status != "rejected"


@dataclass(frozen=True, slots=True)
class VenueFillRecord:
    """A fill in the venue's history."""

    venue_id: str
    trade_id: str
    price: Decimal
    size: Decimal
    fee: Decimal
    closed_pnl: Decimal

    @property
    def key(self) -> tuple[str, str]:
        return self.venue_id, self.trade_id


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """The venue's state of one account. `resting`: ids of open orders."""

    orders: list[VenueOrderRecord]
    resting: set[str]
    fills: dict[tuple[str, str], VenueFillRecord]
    positions: dict[str, Decimal]
    cash: dict[tuple[str, str], Decimal]


class SimulatorClient:
    """HTTP client; `control` and `url` are addresses on the loopback."""

    def __init__(self, control: str, url: str) -> None:
        self._control, self._url = control, url

    async def _request(self, method: str, url: str, body: Mapping[str, object] | None = None) -> Any:
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        if url.startswith(self._control):
            headers["Authorization"] = f"Bearer {settings.SIMULATOR_TOKEN}"
        async with (
            aiohttp.ClientSession(timeout=REQUEST_TIMEOUT) as session,
            session.request(method, url, data=data, headers=headers) as response,
        ):
            response.raise_for_status()
            return orjson.loads(await response.read())

    async def faults_begin(self, share: float = 1.0) -> None:
        """Start the permanent faults; `share` scales the loss probability."""
        for fault in FAULTS:
            scaled = {"share": fault["share"] * share} if "share" in fault else {}
            await self.fault({**fault, **scaled})

    async def fault(self, fault: Mapping[str, Any]) -> None:
        await self._request("POST", f"{self._control}/faults", {"seconds": LONG, **fault})

    async def faults_end(self) -> None:
        await self._request("DELETE", f"{self._control}/faults")

    async def mids(self) -> dict[str, Decimal]:
        state = await self._request("GET", f"{self._control}/state")
        return {symbol: Decimal(price) for symbol, price in state["mids"].items()}

    async def account(self, address: str) -> VenueAccount:
        """Orders, fills, positions and cash of an account, as reported by the venue."""
        past = await self._info("historicalOrders", user=address)
        resting = await self._info("frontendOpenOrders", user=address)
        perp = await self._info("clearinghouseState", user=address)
        spot = await self._info("spotClearinghouseState", user=address)
        positions = [row["position"] for row in perp["assetPositions"]]
        unrealised = sum((Decimal(row["unrealizedPnl"]) for row in positions), Decimal(0))
        cash = {("perp", "USDC"): Decimal(perp["marginSummary"]["accountValue"]) - unrealised}
        cash |= {("spot", row["coin"]): Decimal(row["total"]) for row in spot["balances"]}
        return VenueAccount(
            orders=[_order(row) for row in past],
            resting={str(row["oid"]) for row in resting},
            fills={fill.key: fill for fill in map(_fill, await self._fills(address))},
            positions={row["coin"]: Decimal(row["szi"]) for row in positions},
            cash={key: amount for key, amount in cash.items() if amount},
        )

    async def _info(self, kind: str, **fields: Any) -> Any:
        return await self._request("POST", f"{self._url}/info", {"type": kind, **fields})

    async def _fills(self, address: str) -> list[dict[str, Any]]:
        found: dict[tuple[int, int], dict[str, Any]] = {}
        since = 0
        while True:
            page = await self._info("userFillsByTime", user=address, startTime=since)
            new = [row for row in page if (row["oid"], row["tid"]) not in found]
            if not new:
                return list(found.values())
            found |= {(row["oid"], row["tid"]): row for row in new}
            since = max(row["time"] for row in page)


def _order(row: Mapping[str, Any]) -> VenueOrderRecord:
    order = row["order"]
    return VenueOrderRecord(str(order["oid"]), order["cloid"], order["coin"], row["status"])


def _fill(row: Mapping[str, Any]) -> VenueFillRecord:
    amounts = (Decimal(row[name]) for name in ("px", "sz", "fee", "closedPnl"))
    return VenueFillRecord(str(row["oid"]), str(row["tid"]), *amounts)
