"""The execution worker: one wallet actor per leased wallet, and the only process that unseals keys.

`pending_work` reads which wallets have work; `venue_connection` holds what the wallets of a venue share;
`wallet_actor` runs one wallet's tasks; `sender` signs and sends stored submissions; `expiry` explains why no
order is sent twice; `account_sync` applies account events and polls the venue.
"""
