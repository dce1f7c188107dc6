"""Feed worker: one task per leased venue, from its sockets to the publisher and to PostgreSQL.

`worker` claims venues; `venue_feed` runs one; `aggregator` holds its market data; `backfill` fetches missing
candles; `recording` writes raw frames to a file and replays them through the same path.
"""
