"""The supervisor: one desk per leased bot.

`worker` claims bots and seats them; `desk` owns one bot's run; `deciding` calls its strategy and watches
the time; `prices` reads every venue once for all bots; `candles` reads closed ones.
A desk that fails is thrown away: the next one starts from what is stored, as after any other end.
"""
