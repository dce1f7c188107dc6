"""Template tag of inline SVG icons: 16 px, with 1.4 px strokes in the text colour."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

PATHS = {
    "markets": '<path d="M2.5 4h11M2.5 8h11M2.5 12h7"/>',
    "search": '<circle cx="7" cy="7" r="4.25"/><path d="m10.25 10.25 3.25 3.25"/>',
    "status": '<path d="M2.5 8h2.75l1.5-4.5 2.5 9 1.5-4.5h2.75"/>',
    "code": '<path d="M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5"/>',
    "person": '<circle cx="8" cy="5.5" r="2.75"/><path d="M2.75 13.5c.6-2.6 2.6-4 5.25-4s4.65 1.4 5.25 4"/>',
    "leave": '<path d="M9.5 2.75H3.25v10.5H9.5M6.5 8h7.25M11 5.25 13.75 8 11 10.75"/>',
    "warning": '<path d="M8 2.75 14 13H2zM8 6.75v2.75M8 11.4v.01"/>',
    "unfold": '<path d="m4.5 6.5 3.5 3.5 3.5-3.5"/>',
    "dark": '<path d="M13 9.75A5.5 5.5 0 0 1 6.25 3a5.5 5.5 0 1 0 6.75 6.75z"/>',
    "light": '<circle cx="8" cy="8" r="2.75"/><path d="M8 1.75v1.5M8 12.75v1.5M1.75 8h1.5M12.75 8h1.5'
    'M3.6 3.6l1.05 1.05M11.35 11.35l1.05 1.05M3.6 12.4l1.05-1.05M11.35 4.65l1.05-1.05"/>',
    "check": '<path d="m3.5 8.5 3 3 6-7"/>',
    "cross": '<path d="m4 4 8 8M12 4l-8 8"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "lock": '<path d="M4 7.5h8v5.5H4zM5.75 7.5V5.25a2.25 2.25 0 0 1 4.5 0V7.5"/>',
    "key": '<circle cx="5" cy="11" r="2.5"/><path d="m6.75 9.25 6-6M10.5 5.5l2 2M9 7l1.25 1.25"/>',
    "halt": '<path d="M5.5 2.25h5l3.25 3.25v5l-3.25 3.25h-5L2.25 10.5v-5z"/><path d="M5.75 8h4.5"/>',
    "fill": '<path d="M8 2.5v8M4.5 7.25 8 10.75l3.5-3.5M3 13.5h10"/>',
    "wallets": '<path d="M2.5 4.5h11v8.5h-11zM2.5 4.5l8-2v2M10.5 8.75h1"/>',
    "bots": '<path d="M3 6.5h10v6.5H3zM8 6.5v-3M6.25 9.5v.5M9.75 9.5v.5M8 3.25v.01"/>',
    "orders": '<path d="M3.5 2.5h9v11h-9zM6 5.75h4M6 8.25h4M6 10.75h2"/>',
    "copy": '<path d="M5.5 5.5h7.5v8H5.5zM3 10.5v-8h7.5"/>',
    "clock": '<circle cx="8" cy="8" r="5.5"/><path d="M8 4.75V8l2.25 1.5"/>',
    "system": '<path d="M2.25 3.25h11.5v7.5H2.25zM6 13.25h4M8 10.75v2.5"/>',
}


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """`{% icon "search" %}`: inline SVG; `size` is "small" or empty. Hidden from screen readers."""
    kind = "icon icon-small" if size == "small" else "icon"
    return format_html(
        '<svg class="{}" viewBox="0 0 16 16" aria-hidden="true">{}</svg>',
        kind,
        mark_safe(PATHS[name]),  # noqa: S308 - constants of this file
    )
