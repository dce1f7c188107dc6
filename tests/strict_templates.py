"""A wrong attribute in one of the project's templates raises in tests, where Django would print nothing.

Optional variables stay optional: a name that the context lacks, a key that a dictionary lacks, an attribute
of None. Templates of installed packages (the admin, for example) are left alone.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.template import Context, VariableDoesNotExist, engines
from django.template.base import Variable

TEMPLATES = settings.BASE_DIR / "templates"


class WrongAttribute(Exception):
    """A template reads an attribute that the object does not have."""


class StrictInvalid(str):
    """An empty `string_if_invalid`. Django asks for its truth value when it cannot resolve a variable."""

    __slots__ = ()

    def __bool__(self) -> bool:
        names = sys._getframe(1).f_locals  # of FilterExpression.resolve
        context = names.get("context")
        template = getattr(getattr(context, "render_context", None), "template", None)
        path = getattr(getattr(template, "origin", None), "name", "")
        if path and Path(path).is_relative_to(TEMPLATES) and lacks_attribute(names["self"].var, context):
            raise WrongAttribute(f"{Path(path).relative_to(TEMPLATES)}: {names['self'].var}")
        return False


def lacks_attribute(variable: Variable, context: Context) -> bool:
    """True when `variable` is found up to an object (no mapping, not None) that lacks the next name."""
    lookups = variable.lookups or ()
    for count in range(len(lookups) - 1, 0, -1):
        try:
            parent = Variable(".".join(lookups[:count])).resolve(context)
        except VariableDoesNotExist:
            continue
        return parent is not None and not isinstance(parent, Mapping | str)
    return False


def strict_templates() -> None:
    """Make the template engines of this process strict. Call it before a page is rendered."""
    for engine in engines.all():
        engine.engine.string_if_invalid = StrictInvalid()
