"""Account permissions: signers, nonces, agents, sub-accounts, transfers and address-based limits."""

import pytest
from eth_account import Account
from hyperliquid.utils import signing as sdk

from market.venues.hyperliquid import signing, user_actions
from simulator.hyperliquid.exchange.fees import DOCUMENTED_RULES, Rules
from simulator.hyperliquid.exchange.nonces import NonceWindow
from tests.simulator.conftest import NOW
from tests.simulator.signed_client import USD, Trader, VenueClient, new_key

DAY = 86_400_000


@pytest.fixture
def venue():
    return VenueClient()


@pytest.fixture
def alice(venue):
    return venue.trader()


def refused(answer):
    assert answer["status"] == "err"
    return answer["response"]


def user_signed(trader, kind, **fields):
    """A user-signed action, signed with the official functions."""
    time = "time" if kind in ("usdSend", "withdraw3", "spotSend") else "nonce"
    action = {"type": kind, time: trader.nonce + 1, **fields}
    trader.nonce += 1
    signers = {
        "usdSend": sdk.sign_usd_transfer_action,
        "withdraw3": sdk.sign_withdraw_from_bridge_action,
        "spotSend": sdk.sign_spot_transfer_action,
        "usdClassTransfer": sdk.sign_usd_class_transfer_action,
        "sendAsset": sdk.sign_send_asset_action,
        "approveAgent": sdk.sign_agent,
        "approveBuilderFee": sdk.sign_approve_builder_fee,
    }
    signature = signers[kind](Account.from_key(trader.key), action, False)
    return trader.venue.act(signing.envelope(action, action[time], signature))


def approve(trader, name="", key=None):
    """An approved agent that trades for the trader."""
    agent = Trader(trader.venue, key, account=trader.address)
    answer = user_signed(trader, "approveAgent", agentAddress=agent.signer, agentName=name)
    return agent, answer


def noop(trader, **options):
    return trader.act(signing.noop_action(), **options)


# --- nonces ------------------------------------------------------------------------------------
def test_a_nonce_is_used_once(alice):
    assert noop(alice, nonce=NOW + 5) == {"status": "ok", "response": {"type": "default"}}
    assert refused(noop(alice, nonce=NOW + 5)) == f"Invalid nonce: duplicate nonce {NOW + 5}"
    assert noop(alice, nonce=NOW + 4)["status"] == "ok"


def test_nonces_must_be_near_the_clock(alice):
    assert refused(noop(alice, nonce=NOW + DAY)) == f"Invalid nonce: nonce too high {NOW + DAY} > {NOW + DAY}"
    low = NOW - 2 * DAY
    assert refused(noop(alice, nonce=low)) == f"Invalid nonce: nonce too low {low} < {low}"


def test_the_hundred_highest_nonces_are_kept():
    line = NonceWindow()
    for nonce in range(NOW, NOW + 100):
        line.admit(nonce, NOW)
    with pytest.raises(Exception, match="nonce too low"):
        line.admit(NOW - 1, NOW)
    line.admit(NOW + 500, NOW)
    assert len(line.used) == 100
    assert line.used[0] == NOW + 1


def test_an_action_that_is_refused_has_spent_its_nonce(venue, alice):
    alice.order("BTC", "buy", "90000", "1000")
    again = alice.act(signing.noop_action(), nonce=alice.nonce)
    assert refused(again) == f"Invalid nonce: duplicate nonce {alice.nonce}"


def test_an_expired_action_is_refused_and_counts_five_times(alice):
    before = alice.ask("userRateLimit")["nRequestsUsed"]
    assert refused(noop(alice, expires_after=NOW - 1)) == "Action already expired"
    assert alice.ask("userRateLimit")["nRequestsUsed"] == before + 5
    assert noop(alice, expires_after=NOW + 1000)["status"] == "ok"


def test_both_networks_are_accepted_unless_one_is_required():
    for strict, networks in ((None, {"mainnet", "testnet"}), ("a", {"mainnet"}), ("b", {"testnet"})):
        venue = VenueClient(Rules(strict_source=strict))
        alice = venue.trader()
        for network in ("mainnet", "testnet"):
            assert (noop(alice, network=network)["status"] == "ok") == (network in networks)


# --- agents ------------------------------------------------------------------------------------
def test_an_agent_trades_but_owns_nothing(venue, alice):
    agent, answer = approve(alice)
    assert answer["status"] == "ok"
    assert "resting" in agent.order("BTC", "buy", venue.price("BTC", 0.9), "0.01")
    assert len(alice.ask("openOrders")) == 1
    agent.address = agent.signer
    assert agent.ask("openOrders") == []
    assert agent.ask("userRole") == {"role": "agent", "data": {"user": alice.address}}
    answer = user_signed(agent, "usdSend", destination=agent.signer, amount="1")
    assert refused(answer) == f"Must deposit before performing actions. User: {agent.signer}"


def test_approving_a_name_again_replaces_the_agent(venue, alice):
    first, _ = approve(alice, "bot")
    other, _ = approve(alice, "other")
    second, _ = approve(alice, "bot")
    assert refused(noop(first)) == f"User or API Wallet {first.signer} does not exist."
    assert noop(second)["status"] == noop(other)["status"] == "ok"
    assert {row["name"] for row in alice.ask("extraAgents")} == {"bot", "other"}


def test_there_are_three_named_agents_and_an_unnamed_one(alice):
    for name in ("", "a", "b", "c"):
        assert approve(alice, name)[1]["status"] == "ok"
    assert refused(approve(alice, "d")[1]) == "Too many extra agents."
    noop_sub = alice.act({"type": "createSubAccount", "name": "sub"})
    assert noop_sub["status"] == "ok"
    assert approve(alice, "d")[1]["status"] == "ok"


def test_an_agent_expires(venue, alice):
    until = NOW + 60_000
    agent, answer = approve(alice, f"bot valid_until {until}")
    assert answer["status"] == "ok"
    [row] = alice.ask("extraAgents")
    assert row == {"name": "bot", "address": agent.signer, "validUntil": until}
    assert noop(agent)["status"] == "ok"
    venue.run(60.1)
    assert refused(noop(agent)) == f"User or API Wallet {agent.signer} does not exist."
    assert alice.ask("extraAgents") == []


@pytest.mark.parametrize("name", ["x" * 17, " valid_until 5", f"bot valid_until {NOW + 181 * DAY}"])
def test_names_and_ends_of_agents_have_limits(alice, name):
    assert approve(alice, name)[1]["status"] == "err"


def test_an_address_can_be_an_agent_only_once(venue, alice):
    bob = venue.trader()
    key = new_key()
    approve(alice, "bot", key)
    assert approve(bob, "bot", key)[1]["status"] == "err"
    assert approve(bob, "bot", alice.key)[1]["status"] == "err"


# --- sub-accounts ------------------------------------------------------------------------------
def test_a_sub_account_is_traded_for_by_master_and_agent(venue, alice):
    sub = alice.act({"type": "createSubAccount", "name": "grid"})["response"]["data"]
    moved = {"type": "subAccountTransfer", "subAccountUser": sub, "isDeposit": True, "usd": 1000 * USD}
    assert alice.act(moved)["status"] == "ok"
    agent, _ = approve(alice)
    for key in (alice.key, agent.key):
        trader = Trader(venue, key, account=sub, vault=sub)
        trader.nonce = max(alice.nonce, agent.nonce) + 10
        assert "resting" in trader.order("BTC", "buy", venue.price("BTC", 0.9), "0.01")
    assert len(venue.account_engine.handle_info({"type": "openOrders", "user": sub}).body) == 2
    assert alice.ask("openOrders") == []
    assert venue.account_engine.handle_info({"type": "userRole", "user": sub}).body == {
        "role": "subAccount", "data": {"master": alice.address},
    }  # fmt: skip
    assert agent.act(moved)["status"] == "err"
    back = {**moved, "isDeposit": False, "usd": 2000 * USD}
    assert refused(alice.act(back)) == "Insufficient balance for withdrawal"
    assert venue.sound()


def test_sub_accounts_of_others_are_not_registered(venue, alice):
    bob = venue.trader()
    sub = alice.act({"type": "createSubAccount", "name": "grid"})["response"]["data"]
    foreign = Trader(venue, bob.key, account=sub, vault=sub)
    foreign.nonce = bob.nonce + 10
    assert refused(noop(foreign)) == f"Vault not registered: {sub}"
    nowhere = {"type": "vaultTransfer", "vaultAddress": sub, "isDeposit": True, "usd": 1}
    assert refused(alice.act(nowhere)) == f"Vault not registered: {sub}"


# --- transfers ---------------------------------------------------------------------------------
def test_sending_more_than_is_free_is_refused(venue, alice):
    bob = venue.trader(10)
    alice.order("ETH", "buy", venue.price("ETH", 1.02), "20", tif="Ioc")
    assert refused(user_signed(alice, "usdSend", destination=bob.address, amount="99990")) == (
        "Insufficient balance for withdrawal"
    )
    assert user_signed(alice, "usdSend", destination=bob.address, amount="50000.5")["status"] == "ok"
    assert bob.ask("clearinghouseState")["withdrawable"] == "50010.5"
    assert venue.sound()


@pytest.mark.parametrize("amount", ["0", "0.0000001", "1000000"])
def test_amounts_must_be_possible(alice, amount):
    assert user_signed(alice, "usdSend", destination=alice.address, amount=amount)["status"] == "err"


@pytest.mark.parametrize("amount", ["-1", "NaN", "", "1e40", "1,5"])
def test_amounts_must_be_numbers(alice, amount):
    assert user_signed(alice, "usdSend", destination=alice.address, amount=amount) == 422


def test_a_new_account_pays_for_its_first_transfer():
    venue = VenueClient(DOCUMENTED_RULES)
    alice, unknown = venue.trader(), Trader(venue)
    assert user_signed(alice, "usdSend", destination=unknown.signer, amount="1")["status"] == "err"
    assert user_signed(alice, "usdSend", destination=unknown.signer, amount="3")["status"] == "ok"
    assert unknown.ask("clearinghouseState")["withdrawable"] == "2.0"
    assert venue.sound()


def test_a_withdrawal_has_a_fee_of_one_usdc(venue, alice):
    assert user_signed(alice, "withdraw3", destination=alice.address, amount="100")["status"] == "ok"
    assert alice.ask("clearinghouseState")["withdrawable"] == "99900.0"
    delta = alice.ask("userNonFundingLedgerUpdates", startTime=0)[-1]["delta"]
    assert (delta["type"], delta["usdc"], delta["fee"]) == ("withdraw", "99.0", "1.0")
    assert venue.sound()


def test_tokens_are_sent_by_their_name_and_id(venue, alice):
    bob = venue.trader(10)
    user_signed(alice, "usdClassTransfer", amount="1000", toPerp=False)
    tokens = {
        row["name"]: row for row in venue.account_engine.handle_info({"type": "spotMeta"}).body["tokens"]
    }
    usdc = f"USDC:{tokens['USDC']['tokenId']}"
    sent = user_signed(alice, "spotSend", destination=bob.address, token=usdc, amount="250.5")
    assert sent["status"] == "ok"
    assert bob.ask("spotClearinghouseState")["balances"][0]["total"] == "250.5"
    too_much = user_signed(alice, "spotSend", destination=bob.address, token=usdc, amount="1000")
    assert refused(too_much) == "Insufficient balance for token transfer"
    back = user_signed(
        bob, "sendAsset", destination=alice.address, sourceDex="spot", destinationDex="spot",
        token=usdc, amount="0.5", fromSubAccount="",
    )  # fmt: skip
    assert back["status"] == "ok"
    assert venue.sound()


def test_a_builder_takes_only_what_was_approved(venue, alice):
    builder = "0x" + "b" * 40
    action = signing.order_action([alice.wire("ETH", "buy", venue.price("ETH", 1.02), "1", tif="Ioc")])
    action["builder"] = {"b": builder, "f": 10}
    assert refused(alice.act(action)) == "Builder fee has not been approved."
    assert user_signed(alice, "approveBuilderFee", maxFeeRate="0.01%", builder=builder)["status"] == "ok"
    assert alice.ask("maxBuilderFee", builder=builder) == 10
    assert alice.act(action)["status"] == "ok"
    assert all(float(fill["builderFee"]) > 0 for fill in alice.ask("userFills"))
    assert venue.sound()


def test_a_user_signed_action_repeats_its_nonce(venue, alice):
    body = user_actions.approve_agent(
        key=alice.key, agent="0x" + "a" * 40, name="", nonce=NOW + 1, network="testnet"
    )
    assert venue.act({**body, "nonce": NOW + 2})["status"] == "err"
    assert venue.act(body)["status"] == "ok"


# --- limits ------------------------------------------------------------------------------------
def test_an_address_that_spent_its_requests_still_cancels():
    venue = VenueClient(Rules(address_requests=True))
    alice = venue.trader()
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.01")["resting"]["oid"]
    alice.account.requests = 10_000
    text = refused(noop(alice))
    assert text.startswith(
        "Too many cumulative requests sent (10000 > 10000) for cumulative volume traded $0.0."
    )
    assert alice.cancel("BTC", oid) == "success"
    venue.run(10.1)
    assert noop(alice)["status"] == "ok"
    assert noop(alice)["status"] == "err"
    bought = alice.act({"type": "reserveRequestWeight", "weight": 100})
    assert bought["status"] == "err"  # it counts as well


def test_a_batch_counts_each_of_its_orders(venue, alice):
    wires = [alice.wire("BTC", "buy", venue.price("BTC", 0.9), "0.01")] * 3
    alice.orders(*wires)
    assert alice.ask("userRateLimit")["nRequestsUsed"] == 3


@pytest.mark.parametrize("kind", ["agentSetAbstraction", "setReferrer", "claimRewards", "evmUserModify"])
def test_minor_actions_are_accepted(alice, kind):
    fields = {"agentSetAbstraction": {"abstraction": "u"}, "setReferrer": {"code": "X"}}.get(kind, {})
    assert alice.act({"type": kind, **fields})["status"] == "ok"
    assert alice.ask("userAbstraction") == ("unifiedAccount" if "Abstraction" in kind else "default")
