"""`/bots/`: the list, a new bot, one bot, and what its owner does to it."""
