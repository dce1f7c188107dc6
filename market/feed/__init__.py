"""The feed worker: one task per leased venue, from its sockets to the publisher and to PostgreSQL.

`worker` claims venues; `venue` runs one; `desk` keeps what the venue said; `history` fills what we
missed; `recording` writes raw frames down and plays them again through the same path.
"""
