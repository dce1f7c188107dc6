"""What changes bots and their runs. Synchronous; one act is one transaction.

The lock order is wallet, then bot: whoever places orders for a bot holds its wallet's row first.
"""

from bots.services.assignments import bots_beat, bots_claim, bots_wanted
from bots.services.bots import bot_archive, bot_clone, bot_create, bot_inputs_set
from bots.services.dto import Beat, Loaded, Made, OwnFacts, OwnFill, Wanted
from bots.services.ledger import books_post, books_post_all
from bots.services.preview import bot_preview
from bots.services.replay import run_replay
from bots.services.retention import journal_trim
from bots.services.runs import StrategyGone, decision_commit, inputs_load, own_facts, run_crashed, run_load
from bots.services.start_stop import bot_force_stop, bot_start, bot_stop

__all__ = [
    "Beat",
    "Loaded",
    "Made",
    "OwnFacts",
    "OwnFill",
    "StrategyGone",
    "Wanted",
    "books_post",
    "books_post_all",
    "bot_archive",
    "bot_clone",
    "bot_create",
    "bot_force_stop",
    "bot_inputs_set",
    "bot_preview",
    "bot_start",
    "bot_stop",
    "bots_beat",
    "bots_claim",
    "bots_wanted",
    "decision_commit",
    "inputs_load",
    "journal_trim",
    "own_facts",
    "run_crashed",
    "run_load",
    "run_replay",
]
