"""Filter form of the markets table."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from market.models import Instrument
from market.selectors.markets import SORTS

DEFAULT_SORT = "-volume"


class BoardForm(forms.Form):
    """Query string of the markets table. `filters()` ignores invalid values, so that no link breaks."""

    q = forms.CharField(max_length=60, required=False, strip=True)
    kind = forms.ChoiceField(choices=[("", _("All")), *Instrument.Kind.choices], required=False)
    venue = forms.SlugField(max_length=40, required=False)
    sort = forms.ChoiceField(
        choices=[(sign + name, name) for name in SORTS for sign in ("", "-")], required=False
    )

    def filters(self) -> dict[str, Any]:
        self.is_valid()
        values = {name: self.cleaned_data.get(name) or "" for name in self.fields}
        return {**values, "sort": values["sort"] or DEFAULT_SORT}
