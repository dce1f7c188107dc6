"""Built-in strategies. They use only the SDK, like every other strategy."""

from collections.abc import Mapping

from bots.sdk import Strategy
from bots.strategies.as_grid import ASGrid
from bots.strategies.dca import DCA
from bots.strategies.grid import ClassicGrid
from bots.strategies.rebalancer import Rebalancer
from bots.strategies.trend import Trend

# The keys are stored with every bot and must not change.
STRATEGIES: Mapping[str, type[Strategy]] = {
    "as-grid": ASGrid,
    "grid": ClassicGrid,
    "dca": DCA,
    "trend": Trend,
    "rebalancer": Rebalancer,
}
