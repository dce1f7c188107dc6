"""The simulator's control plane: what shall go wrong there, and what its books really say."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import orjson

WITHIN = aiohttp.ClientTimeout(total=20)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "lost_reply", "share": 0.25, "count": 10_000_000},
    {"kind": "lost_request", "share": 0.10, "count": 10_000_000},
    {"kind": "unknown_oid"},
    {"kind": "delay", "ms": 120},
    {"kind": "duplicate", "count": 10_000_000},
    {"kind": "reorder"},
    {"kind": "partial_fills", "parts": 3},
)
# Now and then, for a moment.
OUTAGES: tuple[dict[str, Any], ...] = (
    {"kind": "http_429", "seconds": 2},
    {"kind": "maintenance", "seconds": 3},
    {"kind": "http_500", "seconds": 2},
    {"kind": "disconnect", "code": 1006},
    {"kind": "half_open", "seconds": 12},  # streams are silent: only asking tells
)
LONG = 3_600


@dataclass(frozen=True, slots=True)
class Placed:
    """An order as the venue remembers it."""

    venue_id: str
    client_id: str | None
    symbol: str
    status: str

    @property
    def was_taken(self) -> bool:
        """Refused ones are remembered too, and did nothing."""
        return not self.status.endswith("Rejected") and self.status != "rejected"


@dataclass(frozen=True, slots=True)
class Traded:
    """A fill as the venue remembers it."""

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
class Books:
    """Everything about one account. `resting`: ids of orders that stand."""

    orders: list[Placed]
    resting: set[str]
    fills: dict[tuple[str, str], Traded]
    positions: dict[str, Decimal]
    cash: dict[tuple[str, str], Decimal]


class Venue:
    """`control` and `url` are addresses on the loopback."""

    def __init__(self, control: str, url: str) -> None:
        self._control, self._url = control, url

    async def _ask(self, method: str, url: str, body: Any = None) -> Any:
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(timeout=WITHIN) as session,
            session.request(method, url, data=data, headers=headers) as answer,
        ):
            answer.raise_for_status()
            return orjson.loads(await answer.read())

    async def faults_begin(self, share: float = 1.0) -> None:
        """`share` of what may be lost is lost."""
        for fault in FAULTS:
            lost = {"share": fault["share"] * share} if "share" in fault else {}
            await self.fault({**fault, **lost})

    async def fault(self, fault: Mapping[str, Any]) -> None:
        await self._ask("POST", f"{self._control}/faults", {"seconds": LONG, **fault})

    async def faults_end(self) -> None:
        await self._ask("DELETE", f"{self._control}/faults")

    async def mids(self) -> dict[str, Decimal]:
        state = await self._ask("GET", f"{self._control}/state")
        return {symbol: Decimal(price) for symbol, price in state["mids"].items()}

    async def account(self, address: str) -> Books:
        """Its orders, fills, positions and cash, in the venue's own words and units."""
        past = await self._info("historicalOrders", user=address)
        resting = await self._info("frontendOpenOrders", user=address)
        perp = await self._info("clearinghouseState", user=address)
        spot = await self._info("spotClearinghouseState", user=address)
        held = [row["position"] for row in perp["assetPositions"]]
        unrealised = sum((Decimal(row["unrealizedPnl"]) for row in held), Decimal(0))
        cash = {("perp", "USDC"): Decimal(perp["marginSummary"]["accountValue"]) - unrealised}
        cash |= {("spot", row["coin"]): Decimal(row["total"]) for row in spot["balances"]}
        return Books(
            orders=[_order(row) for row in past],
            resting={str(row["oid"]) for row in resting},
            fills={fill.key: fill for fill in map(_fill, await self._fills(address))},
            positions={row["coin"]: Decimal(row["szi"]) for row in held},
            cash={key: amount for key, amount in cash.items() if amount},
        )

    async def _info(self, kind: str, **fields: Any) -> Any:
        return await self._ask("POST", f"{self._url}/info", {"type": kind, **fields})

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


def _order(row: Mapping[str, Any]) -> Placed:
    order = row["order"]
    return Placed(str(order["oid"]), order["cloid"], order["coin"], row["status"])


def _fill(row: Mapping[str, Any]) -> Traded:
    amounts = (Decimal(row[name]) for name in ("px", "sz", "fee", "closedPnl"))
    return Traded(str(row["oid"]), str(row["tid"]), *amounts)
