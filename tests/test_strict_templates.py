"""What tests/strict_templates.py refuses, and what it leaves alone."""

from types import SimpleNamespace

import pytest
from django.template import Context, Origin, Template, engines

from tests.strict_templates import TEMPLATES, WrongAttribute


def render(source: str, **context):
    template = Template(
        source, origin=Origin(str(TEMPLATES / "x.html"), "x.html"), engine=engines["django"].engine
    )
    return template.render(Context(context))


def test_a_wrong_attribute_raises():
    with pytest.raises(WrongAttribute, match=r"x.html: order\.pirce"):
        render("{{ order.pirce }}", order=SimpleNamespace(price=1))


@pytest.mark.parametrize(
    "source", ["{{ absent }}", "{{ tick.bid }}", "{{ nothing.bid }}", "{% if order.pirce %}{% endif %}"]
)
def test_optional_variables_print_nothing(source):
    assert render(source, tick={}, nothing=None, order=SimpleNamespace()) == ""
