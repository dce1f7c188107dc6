"""User-signed actions (EIP-712), signed by the venue's own SDK: rare and security-critical. No socket.

Source: `hyperliquid.utils.signing` of hyperliquid-python-sdk; the payloads are those of its `Exchange` class.
"""

from typing import Any

from market.venues.hyperliquid.signing import CHAINS, Network, envelope


def approve_agent(*, key: bytes, agent: str, name: str, nonce: int, network: Network) -> dict[str, Any]:
    """The body of `POST /exchange` by which the account of `key` approves the address `agent` to trade.

    An agent with the name "" does not expire until another one without a name is approved.
    """
    # Imported on first use: the SDK takes half a second, and no trading process needs it.
    from eth_account import Account
    from hyperliquid.utils.signing import sign_agent

    action = {"type": "approveAgent", "agentAddress": agent, "agentName": name, "nonce": nonce}
    # Adds the fields `signatureChainId` and `hyperliquidChain` to the action.
    signature = sign_agent(Account.from_key(key), action, CHAINS[network] == CHAINS["mainnet"])
    return envelope(action, nonce, signature)
