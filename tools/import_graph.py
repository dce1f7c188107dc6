"""Import graph: draws `docs/architecture.svg`, the packages of each app and what they import.

Run it as `python -m tools.import_graph [--check]`. One box is one direct child of an app, package or module;
the modules of the project package, benchmarks and tools are one box each. Arrows go down. An import that follows from two others is
not drawn, and is one line in the tooltip of its box. `--check` writes nothing and exits with 1 when the
drawing is out of date.
"""

import sys
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
DRAWING = ROOT / "docs" / "architecture.svg"
PROJECT = "cryptotrade"
APPS = (PROJECT, "bots", "wallets", "market", "accounts", "core", "simulator", "benchmarks", "tools")
# From top to bottom. Nothing of the product imports tools, benchmarks or simulator.
BANDS = (
    ("tools", "benchmarks"),
    (PROJECT,),
    ("bots",),
    ("wallets", "simulator"),
    ("market", "accounts"),
    ("core",),
)
# Apps with all modules in one box, except the packages named here.
ONE_BOX: Mapping[str, frozenset[str]] = {
    PROJECT: frozenset({"management"}),
    "benchmarks": frozenset({"management"}),
    "tools": frozenset({"chaos"}),
}
LEFT_OUT = frozenset({"apps", "conf", "migrations"})  # Django's own, imported by nothing

BOX, GAP, ROW, MARGIN, TITLE = (118, 26), 14, 62, 24, 22
STYLE = """
 svg{font:12px system-ui,sans-serif;color-scheme:light dark}
 .page{fill:#fff}.band{fill:#f3f5f8;stroke:#c9d1dc}.box{fill:#fff;stroke:#66758a}
 text{fill:#1b2430}.app{font-weight:600}
 path{fill:none;stroke:#7d8a9c;stroke-width:1}.across{stroke:#3f74c4;stroke-opacity:.55}
 @media(prefers-color-scheme:dark){.page{fill:#12161c}.band{fill:#1a2029;stroke:#3a4454}
 .box{fill:#242c37;stroke:#8592a5}text{fill:#e4e9f0}path{stroke:#78869a}.across{stroke:#6fa0ea}}
"""

Graph = Mapping[str, frozenset[str]]


def package_graph() -> dict[str, frozenset[str]]:
    """Box → the boxes that it imports."""
    sys.path.insert(0, str(ROOT))
    modules = grimp.build_graph(*APPS, exclude_type_checking_imports=True)
    graph: dict[str, set[str]] = {}
    for module in modules.modules:
        if (box := _box(module)) is not None:
            imported = map(_box, modules.find_modules_directly_imported_by(module))
            graph.setdefault(box, set()).update(each for each in imported if each not in (None, box))
    return {box: frozenset(graph[box]) for box in sorted(graph)}


def _box(module: str) -> str | None:
    app, *parts = module.split(".")
    if not parts or parts[0] in LEFT_OUT:
        return None
    return app if app in ONE_BOX and parts[0] not in ONE_BOX[app] else f"{app}.{parts[0]}"


def ranks(boxes: Iterable[str], graph: Graph) -> dict[str, int]:
    """Box → its row within its app: 0 imports no other box of the app, each row only those below."""
    own = frozenset(boxes)
    found: dict[str, int] = {}

    def rank(box: str, path: frozenset[str]) -> int:
        below = (graph[box] & own) - path
        if box not in found:
            found[box] = max((rank(each, path | {box}) + 1 for each in sorted(below)), default=0)
        return found[box]

    for box in sorted(own):
        rank(box, frozenset({box}))
    return found


def reduced(graph: Graph) -> list[tuple[str, str]]:
    """The imports that do not follow from others."""
    reach: dict[str, frozenset[str]] = {}

    def reached(box: str, path: frozenset[str]) -> frozenset[str]:
        if box not in reach:
            below = graph[box] - path
            reach[box] = below.union(*(reached(each, path | {each}) for each in sorted(below)))
        return reach[box]

    for box in sorted(graph):
        reached(box, frozenset({box}))
    return [
        (box, each)
        for box in sorted(graph)
        for each in sorted(graph[box])
        if not any(each in reach[other] for other in graph[box] - {each})
    ]


def drawing(graph: Graph) -> str:
    """The SVG document."""
    places, frames, size = _layout(graph)
    width, height = size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>Packages of each app and what they import; arrows go down</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6"'
        ' orient="auto"><path d="M0 0 6 3 0 6"/></marker></defs>',
        f'<rect class="page" width="{width}" height="{height}"/>',
    ]
    for app, (x, y, w, h) in frames.items():
        lines.append(f'<rect class="band" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>')
        lines.append(f'<text class="app" x="{x + 10}" y="{y + 16}">{app}</text>')
    lines += [_arrow(places[start], places[end], start, end) for start, end in reduced(graph)]
    lines += [_box_lines(box, places[box], graph[box]) for box in sorted(places)]
    return "\n".join([*lines, "</svg>", ""])


Place = tuple[int, int]
Frame = tuple[int, int, int, int]


def _layout(graph: Graph) -> tuple[dict[str, Place], dict[str, Frame], Place]:
    places: dict[str, Place] = {}
    frames: dict[str, Frame] = {}
    every_row = {app: _rows(app, graph) for app in APPS}
    widths = {app: max(map(len, every_row[app])) * (BOX[0] + GAP) + GAP for app in APPS}
    whole = max(sum(widths[app] + MARGIN for app in band) for band in BANDS) + MARGIN
    y = MARGIN
    for band in BANDS:
        x, tallest = (whole + MARGIN - sum(widths[app] + MARGIN for app in band)) // 2, 0
        for app in band:
            rows, width = every_row[app], widths[app]
            height = TITLE + len(rows) * ROW
            for number, row in enumerate(rows):
                inset = (width - len(row) * (BOX[0] + GAP) + GAP) // 2
                for column, box in enumerate(row):
                    places[box] = (x + inset + column * (BOX[0] + GAP), y + TITLE + number * ROW + GAP)
            frames[app] = (x, y, width, height)
            x, tallest = x + width + MARGIN, max(tallest, height)
        y += tallest + MARGIN
    return places, frames, (whole, y)


def _rows(app: str, graph: Graph) -> list[list[str]]:
    """The boxes of an app from the top row to the lowest."""
    boxes = [box for box in graph if box.partition(".")[0] == app]
    rank = ranks(boxes, graph)
    return [[box for box in boxes if rank[box] == row] for row in range(max(rank.values()), -1, -1)]


def _arrow(start: Place, end: Place, importer: str, imported: str) -> str:
    x1, y1 = start[0] + BOX[0] // 2, start[1] + BOX[1]
    x2, y2 = end[0] + BOX[0] // 2, end[1]
    bend = max(18, (y2 - y1) // 3)
    kind = "" if importer.partition(".")[0] == imported.partition(".")[0] else ' class="across"'
    return f'<path{kind} d="M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}" marker-end="url(#tip)"/>'


def _box_lines(box: str, place: Place, imported: frozenset[str]) -> str:
    x, y = place
    name = box.partition(".")[2] or "modules"
    tooltip = escape(f"{box} imports: {', '.join(sorted(imported)) or 'nothing'}")
    return (
        f'<g><title>{tooltip}</title><rect class="box" x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}"'
        f' rx="4"/><text x="{x + BOX[0] // 2}" y="{y + 17}" text-anchor="middle">{escape(name)}</text></g>'
    )


def main(arguments: list[str]) -> int:
    drawn = drawing(package_graph())
    if "--check" in arguments:
        return 0 if DRAWING.exists() and DRAWING.read_text(encoding="utf-8") == drawn else 1
    DRAWING.write_text(drawn, encoding="utf-8")
    sys.stdout.write(f"{DRAWING.relative_to(ROOT)}: {len(drawn):,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
