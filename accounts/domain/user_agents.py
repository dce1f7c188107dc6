"""A browser's own words about itself, shortened to what its owner recognises."""

# The first that is found names it: others claim to be Chrome and Safari too.
BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome without a window"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def agent_words(agent: str) -> str:
    """ "Firefox 145 on Linux"; for what is no known browser, the beginning of what it says."""
    mark, name = next(((mark, name) for mark, name in BROWSERS if mark in agent), ("", ""))
    if not name:
        return agent[:40] or "Unknown client"
    version = agent.partition(mark)[2].partition(".")[0].partition(" ")[0]
    system = next((f" on {words}" for mark, words in SYSTEMS if mark in agent), "")
    return f"{name} {version}{system}" if version.isdecimal() else f"{name}{system}"
