"""The strategies that come with the house. They import the SDK like anybody's."""

from collections.abc import Mapping

from bots.sdk import Strategy
from bots.strategies.as_grid import ASGrid
from bots.strategies.dca import DCA
from bots.strategies.grid import ClassicGrid
from bots.strategies.rebalancer import Rebalancer
from bots.strategies.trend import Trend

# The keys are stored with every bot: they never change.
STRATEGIES: Mapping[str, type[Strategy]] = {
    "as-grid": ASGrid,
    "grid": ClassicGrid,
    "dca": DCA,
    "trend": Trend,
    "rebalancer": Rebalancer,
}
