"""The supervisor process: one bot actor per leased bot.

`worker` claims bots and starts their actors; `bot_actor` owns one bot's run; `strategy_executor` calls its
strategy and enforces deadlines; `prices` reads each venue once for all bots; `candles` reads closed candles.
An actor that fails is discarded: the next one starts from the stored state, as after any other end.
"""
