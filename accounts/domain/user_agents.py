"""User-Agent parsing: a short browser and system name for the sessions page."""

# The first match wins: other browsers include the marks of Chrome and Safari as well.
BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
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


def describe_user_agent(agent: str) -> str:
    """Short name such as "Firefox 145 on Linux"; for an unknown browser 40 characters of `agent`."""
    mark, name = next(((mark, name) for mark, name in BROWSERS if mark in agent), ("", ""))
    if not name:
        return agent[:40] or "Unknown client"
    version = agent.partition(mark)[2].partition(".")[0].partition(" ")[0]
    system = next((f" on {label}" for mark, label in SYSTEMS if mark in agent), "")
    return f"{name} {version}{system}" if version.isdecimal() else f"{name}{system}"
