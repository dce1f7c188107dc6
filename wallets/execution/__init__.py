"""The execution worker: one desk per leased wallet, and the only process that opens keys.

`look` says which wallets have work; `line` holds what all wallets of a venue share; `desk` owns one
wallet's tasks; `sending` signs and sends what was written down before; `waiting` is why nothing is sent
twice; `books` hears what the venue says and asks for what it did not say.
"""
