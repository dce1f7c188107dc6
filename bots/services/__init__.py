"""Services: write operations on bots and their runs. Synchronous; one operation is one transaction.

The lock order is wallet, then bot: a service that places orders for a bot locks the wallet's row first.
"""

from bots.services.assignments import bot_assignments, bots_claim, bots_heartbeat
from bots.services.bots import bot_archive, bot_clone, bot_create, bot_inputs_update, bot_preview
from bots.services.dto import BotAssignment, DecisionBatch, Heartbeat, LoadedRun, OwnFill, OwnOrderState
from bots.services.ledger import wallet_fills_post, wallet_fills_post_all
from bots.services.position_close import position_conflict
from bots.services.replay import run_replay
from bots.services.runs import (
    StrategyNotFound,
    decision_commit,
    inputs_load,
    journal_trim,
    own_order_state,
    run_crashed,
    run_load,
)
from bots.services.start_stop import bot_force_stop, bot_start, bot_stop

__all__ = [
    "BotAssignment",
    "DecisionBatch",
    "Heartbeat",
    "LoadedRun",
    "OwnFill",
    "OwnOrderState",
    "StrategyNotFound",
    "bot_archive",
    "bot_assignments",
    "bot_clone",
    "bot_create",
    "bot_force_stop",
    "bot_inputs_update",
    "bot_preview",
    "bot_start",
    "bot_stop",
    "bots_claim",
    "bots_heartbeat",
    "decision_commit",
    "inputs_load",
    "journal_trim",
    "own_order_state",
    "position_conflict",
    "run_crashed",
    "run_load",
    "run_replay",
    "wallet_fills_post",
    "wallet_fills_post_all",
]
