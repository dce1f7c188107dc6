"""Bot scenario of the chaos test (`manage.py chaos --bots`): bots, the actions of their owners, and verification.

`plan` derives bots and actions from a seed; `owners` sends the actions to the API; `failovers` measures how long a
bot is without a supervisor; `verification` replays the journals and compares positions and ledgers; `scenario`
connects these parts to `tools.chaos`.
"""
