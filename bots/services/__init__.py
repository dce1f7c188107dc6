"""What changes bots and their runs. Synchronous; one act is one transaction.

The lock order is wallet, then bot: whoever places orders for a bot holds its wallet's row first.
"""

from bots.services.books import books_post, books_post_all
from bots.services.keeping import bot_archive, bot_clone, bot_create, bot_inputs_set
from bots.services.owning import bots_beat, bots_claim, bots_wanted
from bots.services.previewing import bot_preview
from bots.services.records import Beat, Loaded, Made, OwnFacts, OwnFill, Wanted
from bots.services.replaying import run_replay
from bots.services.running import (
    StrategyGone,
    decision_commit,
    inputs_load,
    own_facts,
    run_crashed,
    run_load,
)
from bots.services.steering import bot_force_stop, bot_start, bot_stop
from bots.services.trimming import journal_trim

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
