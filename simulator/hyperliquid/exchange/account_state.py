"""Account state in the venue's format: balances, positions, buying power, fees, rate limit."""

from decimal import Decimal
from typing import Any

from simulator.hyperliquid.exchange import action_limits, fees, margin
from simulator.hyperliquid.exchange.accounts import Account, Position
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.fixed_point import usd_text
from simulator.hyperliquid.exchange.order_checks import spot_hold
from simulator.hyperliquid.exchange.transfers import tokens
from simulator.markets.numbers import decimal_text, float_text
from simulator.markets.universe import Listing

RATE_DECIMALS = 6


def _ratio(part: int, whole: int) -> str:
    return float_text(part / whole, 10) if whole else "0.0"


def _price(value: Decimal | None, listing: Listing) -> str | None:
    if value is None:
        return None
    return decimal_text(int(value.scaleb(listing.price_decimals + 2)), listing.price_decimals + 2)


def _position(exchange: Exchange, account: Account, coin: str, position: Position) -> dict[str, Any]:
    market = exchange.market(coin)
    listing, value = market.listing, abs(position.lots) * market.mark
    pnl = position.lots * market.mark - position.cost
    used = position.equity(market.mark) if position.isolated else value // position.leverage
    leverage: dict[str, Any] = {
        "type": "isolated" if position.isolated else "cross",
        "value": position.leverage,
    }
    if position.isolated:
        leverage["rawUsd"] = usd_text(position.raw)
    entry = Decimal(abs(position.cost)) / abs(position.lots)
    return {
        "coin": coin,
        "szi": listing.size_text(position.lots),
        "leverage": leverage,
        "entryPx": _price(entry.scaleb(-listing.price_decimals), listing),
        "positionValue": usd_text(value),
        "unrealizedPnl": usd_text(pnl),
        "returnOnEquity": _ratio(pnl * position.leverage, abs(position.cost)),
        "liquidationPx": _price(margin.liquidation_price(exchange, account, coin), listing),
        "marginUsed": usd_text(used),
        "maxLeverage": listing.leverage,
        "cumFunding": {
            "allTime": usd_text(position.funding_ever),
            "sinceOpen": usd_text(position.funding_open),
            "sinceChange": usd_text(position.funding_change),
        },
    }


def _summary(exchange: Exchange, account: Account, *, isolated_too: bool) -> dict[str, str]:
    value = raw = notional = used = 0
    for coin, position in margin.open_positions(account):
        if position.isolated and not isolated_too:
            continue
        mark = exchange.market(coin).mark
        notional += abs(position.lots) * mark
        value += position.lots * mark
        raw += position.raw
        used += position.equity(mark) if position.isolated else abs(position.lots) * mark // position.leverage
    raw += account.raw
    return {
        "accountValue": usd_text(raw + value),
        "totalNtlPos": usd_text(notional),
        "totalRawUsd": usd_text(raw),
        "totalMarginUsed": usd_text(used),
    }


def clearinghouse(exchange: Exchange, account: Account) -> dict[str, Any]:
    """`clearinghouseState`. `totalRawUsd` is cash less the signed entry value of positions; equity adds their mark value."""
    return {
        "marginSummary": _summary(exchange, account, isolated_too=True),
        "crossMarginSummary": _summary(exchange, account, isolated_too=False),
        "crossMaintenanceMarginUsed": usd_text(margin.cross_maintenance(exchange, account)),
        "withdrawable": usd_text(margin.withdrawable(exchange, account)),
        "assetPositions": [
            {"type": "oneWay", "position": _position(exchange, account, coin, position)}
            for coin, position in margin.open_positions(account)
        ],
        "time": exchange.now,
    }


def spot(exchange: Exchange, account: Account) -> dict[str, Any]:
    token_meta = tokens(exchange)
    return {
        "balances": [
            {
                "coin": token_meta[token]["name"],
                "token": token,
                "total": decimal_text(holding.total, token_meta[token]["weiDecimals"]),
                "hold": decimal_text(spot_hold(exchange, account, token), token_meta[token]["weiDecimals"]),
                "entryNtl": decimal_text(holding.entry, 8) if token else "0.0",
            }
            for token, holding in sorted(account.spot.items())
            if holding.total or token == 0
        ]
    }


def active_asset(exchange: Exchange, account: Account, coin: str) -> dict[str, Any]:
    market, position = exchange.market(coin), exchange.position(account, coin)
    spare = max(0, margin.cross_equity(exchange, account) - margin.reserved(exchange, account))
    room = spare * position.leverage
    closing = 2 * abs(position.lots) * market.mark
    sides = [room + (closing if position.lots * sign < 0 else 0) for sign in (1, -1)]
    sizes = [market.listing.size_text(side // market.mark) for side in sides]
    leverage = {"type": "isolated" if position.isolated else "cross", "value": position.leverage}
    return {
        "user": account.address,
        "coin": coin,
        "leverage": leverage,
        "maxTradeSzs": sizes,
        "availableToTrade": [usd_text(side) for side in sides],
        "markPx": market.listing.price_text(market.mark),
    }


def rate_limit(account: Account) -> dict[str, Any]:
    return {
        "cumVlm": decimal_text(account.volume // 10_000, 2),
        "nRequestsUsed": account.requests,
        "nRequestsCap": action_limits.cap(account),
        "nRequestsSurplus": 0,
    }


def _rate(millionths: int) -> str:
    return decimal_text(millionths, RATE_DECIMALS)


def user_fees(account: Account) -> dict[str, Any]:
    base, user_tier = fees.TIERS[0], fees.tier_of(account)
    tiers = [
        {
            "ntlCutoff": f"{tier.volume}.0", "cross": _rate(tier.cross), "add": _rate(tier.add),
            "spotCross": _rate(tier.spot_cross), "spotAdd": _rate(tier.spot_add),
        }
        for tier in fees.TIERS[1:]
    ]  # fmt: skip
    return {
        "dailyUserVlm": [
            {"date": date, "userCross": usd_text(row[0]), "userAdd": usd_text(row[1]), "exchange": "0.0"}
            for date, row in sorted(account.days.items())
        ],
        "feeSchedule": {
            "cross": _rate(base.cross), "add": _rate(base.add),
            "spotCross": _rate(base.spot_cross), "spotAdd": _rate(base.spot_add),
            "tiers": {"vip": tiers, "mm": []}, "referralDiscount": "0.0", "stakingDiscountTiers": [],
        },
        "userCrossRate": _rate(user_tier.cross), "userAddRate": _rate(user_tier.add),
        "userSpotCrossRate": _rate(user_tier.spot_cross), "userSpotAddRate": _rate(user_tier.spot_add),
        "activeReferralDiscount": "0.0", "trial": None, "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None, "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }  # fmt: skip


def portfolio(exchange: Exchange, account: Account) -> list[Any]:
    """`portfolio` with the current values only: the simulator keeps no history of equity."""
    value = margin.equity(exchange, account)
    row = {
        "accountValueHistory": [[exchange.now, usd_text(value)]],
        "pnlHistory": [[exchange.now, usd_text(value - account.paid_in)]],
        "vlm": usd_text(account.volume),
    }
    spans = ("day", "week", "month", "allTime", "perpDay", "perpWeek", "perpMonth", "perpAllTime")
    return [[span, row] for span in spans]
