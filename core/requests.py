"""Type of the requests that pages get, by the middleware that extends them."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """Type of the request of a page, behind the middleware of django-htmx."""

    htmx: HtmxDetails
