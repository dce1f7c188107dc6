"""Signing of actions, checked against recorded signatures and against the official client."""

from contextlib import suppress
from decimal import Decimal

import msgpack
import pytest
from eth_account import Account
from hyperliquid.utils import signing as sdk
from hypothesis import given
from hypothesis import strategies as st

from market.venues.hyperliquid import signing, user_actions
from simulator.hyperliquid.exchange import signature_recovery
from simulator.hyperliquid.exchange.errors import Refused, Unprocessable

KEY = bytes.fromhex("01234567890123456789012345678901234567890123456789012345678901" + "23")
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
NONCE = 1_700_000_000_000
ORDER = signing.order_action(
    [
        signing.OrderWire(
            0, "buy", Decimal("100000.0"), Decimal("0.010"), client_id="0x0000000000000000000000000000002A"
        )
    ]
)
EXPIRES = {"expires_after": 1_700_000_005_000}
PACKED = (
    "83a474797065a56f72646572a66f72646572739187a16100a162c3a170a6313030303030a173a4302e3031a172c2a17481a5"
    "6c696d697481a3746966a3477463a163d92230783030303030303030303030303030303030303030303030303030303030303"
    "261a867726f7570696e67a26e61"
)
GOLDEN = [
    (
        ORDER,
        {},
        "b883c4b4b2494e00fb634901b7ab2303ab12c30e295f1307cbc010c8bf8220e3",
        "6ee7282edd8c084ebcf460df0c96663b6b6b0830e6bbb4477b17ff6223b47c63",
        "3f2cbce32456eab0c40752bb831711d84139b6dea112a4db392e0d95cf00a379",
        27,
    ),
    (
        ORDER,
        EXPIRES,
        "84054f6dd743550d1e503162f518433c937a9d2f3bfb355ca7b504bcf5b9553a",
        "c7ec7ac7d40e2649cd2b1299beaf81c15b47c05800648d65dfb2043e4898ba0e",
        "139cbdce5578679f7bd157116d273e133ac81b94a617ab8a76525b9bed5b97e0",
        27,
    ),
    (
        ORDER,
        {**EXPIRES, "vault": VAULT},
        "d211f9597a73f9d9f08a7296bf2aacd1c87edd87be07dbfad66dbb2a5d0a8a90",
        "e3c4abc489f52de6c87a0886540d1c424372f4eca2271d18beb5529bb89fe80a",
        "2e75ac69547bfacc13ff21b44e78bb988d1ef91e24d8ca98fb0561f92a8811e",
        27,
    ),
    (
        signing.cancel_action([(0, 123456789012)]),
        {},
        "eeced984dc7243406dbaa4600a1ed25a67104519eae08e285f0bf2ba80d69d16",
        "1f20f1a0c21c1d0592a46f91176998992e2e349efb8e49fedc27a92406b4fd31",
        "693ddd0db8294bca4c8aec3e7325615c1fce0146ae99b934d1c04f90e7f5508e",
        28,
    ),
    (
        signing.leverage_action(0, 5, "isolated"),
        {},
        "eaa1364e19dc59c4ec127c85d852bc18593a02a50ba3ef6214d1dba78c70fdb5",
        "af40975a167183570e497534e61c9c4791e32660cf605dc5585d8282d249a43",
        "33ed6a074a917509b7290bf127ab998173ad48fb12bed37648b893f827025bc8",
        28,
    ),
]
AGENTS = [
    (
        "bot",
        "d348b3c07332ab03d6295da3e9025472da55fded7761cc46ede9eea01a54faf",
        "341908a552abd05b86249d3f1f8dc29c98d19354e201ef22d03cb3c20e724b2e",
    ),
    (
        "",
        "1e7a9157bc9d6f7c78a71729453c57c5a57c40c8deae1e2322f0f3554f943b26",
        "5c01fd32c6f4ce5501d24825a5dd6164dde6c62ee7b80c16a4ab0fed696ce482",
    ),
]


def signers(action, signature, nonce=NONCE, vault=None, expires_after=None):
    raw = signature_recovery.signature_parse(signature)
    return list(signature_recovery.l1_signers(action, nonce, raw, vault=vault, expires_after=expires_after))


# --- recorded signatures -----------------------------------------------------------------------
def test_an_order_packs_to_the_recorded_bytes():
    assert msgpack.packb(ORDER).hex() == PACKED


@pytest.mark.parametrize(("action", "options", "connection_id", "r", "s", "v"), GOLDEN)
def test_actions_hash_and_sign_as_recorded(action, options, connection_id, r, s, v):
    hashed = signing.action_hash(action, NONCE, **options)
    assert hashed.hex() == connection_id
    signature = signing.sign(signing.l1_digest(hashed, "testnet"), KEY)
    assert signature == {"r": f"0x{r}", "s": f"0x{s}", "v": v}
    assert signers(action, signature, **options)[0] == ADDRESS


def test_removing_a_scheduled_cancel_signs_as_recorded_on_mainnet():
    action = signing.schedule_cancel_action(None)
    signature = signing.sign(signing.l1_digest(signing.action_hash(action, 0), "mainnet"), KEY)
    assert signature == {
        "r": "0x6cdfb286702f5917e76cd9b3b8bf678fcc49aec194c02a73e6d4f16891195df9",
        "s": "0x6557ac307fa05d25b8d61f21fb8a938e703b3d9bf575f6717ba21ec61261b2a0",
        "v": 27,
    }
    other, meant = signers(action, signature, nonce=0)
    assert meant == ADDRESS != other


@pytest.mark.parametrize(("name", "r", "s"), AGENTS)
def test_approving_an_agent_signs_as_recorded(name, r, s):
    agent = "0x" + "0" * 39 + "1"
    body = user_actions.approve_agent(key=KEY, agent=agent, name=name, nonce=NONCE, network="testnet")
    action, signature = body["action"], body["signature"]
    assert signature == {"r": f"0x{r}", "s": f"0x{s}", "v": 28}
    if not name:
        del action["agentName"]
    kind = signature_recovery.USER_SIGNED["approveAgent"]
    assert (
        signature_recovery.user_signer(action, kind, signature_recovery.signature_parse(signature)) == ADDRESS
    )


def test_the_address_belongs_to_the_key():
    assert signing.address_of(KEY) == ADDRESS


# --- against the official client ---------------------------------------------------------------
WALLET = Account.from_key(KEY)
NUMBERS = st.decimals(min_value="0.00001", max_value="9999999", places=5)
ORDERS = st.builds(
    signing.OrderWire,
    asset=st.integers(0, 10_200),
    side=st.sampled_from(["buy", "sell"]),
    price=NUMBERS,
    size=NUMBERS,
    tif=st.sampled_from(["Gtc", "Ioc", "Alo"]),
    reduce_only=st.booleans(),
    client_id=st.none() | st.integers(0, 2**128 - 1).map(lambda number: f"0x{number:032x}"),
    trigger=st.none()
    | st.builds(signing.Trigger, price=NUMBERS, purpose=st.sampled_from(["tp", "sl"]), market=st.booleans()),
)


@given(
    orders=st.lists(ORDERS, min_size=1, max_size=3),
    nonce=st.integers(0, 2**63),
    vault=st.none() | st.just(VAULT),
    expires=st.none() | st.integers(0, 2**63),
    network=st.sampled_from(["mainnet", "testnet"]),
)
def test_any_order_signs_as_the_official_client_does(orders, nonce, vault, expires, network):
    action = signing.order_action(orders)
    hashed = signing.action_hash(action, nonce, vault=vault, expires_after=expires)
    ours = signing.sign(signing.l1_digest(hashed, network), KEY)
    assert ours == sdk.sign_l1_action(WALLET, action, vault, nonce, expires, network == "mainnet")
    assert ADDRESS in signers(action, ours, nonce, vault, expires)


@given(st.decimals(min_value=0, max_value=10**8, places=8).filter(lambda value: value < 10**7))
def test_numbers_are_written_as_the_official_client_writes_them(value):
    if Decimal(str(float(value))) == value:
        assert signing.decimal_wire(value) == sdk.float_to_wire(float(value))


@pytest.mark.parametrize("text", ["0.000000001", "NaN", "Infinity", "1.123456789"])
def test_numbers_that_cannot_be_encoded_are_errors(text):
    with pytest.raises(ValueError, match="decimals"):
        signing.decimal_wire(Decimal(text))


def test_all_kinds_of_action_have_the_keys_of_the_official_client():
    order = signing.OrderWire(1, "sell", Decimal(2), Decimal(3), trigger=signing.Trigger(Decimal(2), "sl"))
    modify = signing.modify_action([(7, order), ("0xAB", order)])
    assert [list(row) for row in modify["modifies"]] == [["oid", "order"]] * 2
    assert list(modify["modifies"][0]["order"]["t"]["trigger"]) == ["isMarket", "triggerPx", "tpsl"]
    assert signing.cancel_by_client_id_action([(0, "0xAB")]) == {
        "type": "cancelByCloid",
        "cancels": [{"asset": 0, "cloid": "0xab"}],
    }
    assert signing.schedule_cancel_action(5) == {"type": "scheduleCancel", "time": 5}
    assert list(signing.envelope(signing.noop_action(), 1, {})) == [
        "action", "nonce", "signature", "vaultAddress", "expiresAfter",
    ]  # fmt: skip


# --- recovery ----------------------------------------------------------------------------------
SIGNED = signing.sign(signing.l1_digest(signing.action_hash(ORDER, NONCE), "testnet"), KEY)


@given(st.integers(0, 31), st.integers(1, 255))
def test_a_flipped_byte_is_another_signer_or_none(place, change):
    r = bytearray(int(SIGNED["r"], 16).to_bytes(32, "big"))
    r[place] ^= change
    flipped = {**SIGNED, "r": "0x" + bytes(r).hex()}
    with suppress(Refused):  # not every number is a point of the curve
        assert ADDRESS not in signers(ORDER, flipped)


def test_the_order_of_keys_in_the_json_does_not_count():
    shuffled = {
        "grouping": "na",
        "orders": [dict(reversed(row.items())) for row in ORDER["orders"]],
        "type": "order",
    }
    shuffled["orders"][0] |= {"p": "100000.0", "c": "0x0000000000000000000000000000002A"}
    assert signers(shuffled, SIGNED)[0] == ADDRESS


def test_a_signature_over_another_key_order_recovers_an_unknown_address():
    wrong = {"orders": ORDER["orders"], "type": "order", "grouping": "na"}
    signature = signing.sign(signing.l1_digest(signing.action_hash(wrong, NONCE), "testnet"), KEY)
    assert ADDRESS not in signers(wrong, signature)


@pytest.mark.parametrize(
    "body", [None, {}, {"r": 1, "s": 2, "v": 27}, {"r": "x", "s": "0x1", "v": 27}, {"r": "0x1", "s": "0x1"},
             {"r": "0x" + "f" * 70, "s": "0x1", "v": 27}, {"r": "0x1", "s": "0x1", "v": 999}],
)  # fmt: skip
def test_an_invalid_signature_is_unprocessable(body):
    with pytest.raises(Unprocessable):
        signature_recovery.signature_parse(body)


@pytest.mark.parametrize("missing", ["signatureChainId", "nonce", "agentAddress"])
def test_a_user_signed_action_without_a_field_is_unprocessable(missing):
    body = user_actions.approve_agent(key=KEY, agent=ADDRESS, name="x", nonce=1, network="testnet")
    action = body["action"]
    del action[missing]
    kind = signature_recovery.USER_SIGNED["approveAgent"]
    with pytest.raises(Unprocessable):
        signature_recovery.user_signer(action, kind, signature_recovery.signature_parse(SIGNED))
