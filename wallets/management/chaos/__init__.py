"""A house of its own, real orders by the API, a venue that fails, and processes killed at random.

`plan` says what is asked and when something breaks, from a seed alone; `house` starts and kills; `people`
ask, and ask again until they are answered; `breaker` breaks; `venue` is the simulator's control plane;
`reckoning` compares our books with the venue's; `sheet` is what is printed.
"""
