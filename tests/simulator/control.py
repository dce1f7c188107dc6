"""Requests to the control plane of a simulator, with the token of this test session."""

import os
import urllib.request

CONTROL_TOKEN = os.environ["SIMULATOR_TOKEN"]
CONTROL_HEADERS = {"Authorization": f"Bearer {CONTROL_TOKEN}", "Content-Type": "application/json"}


def control_request(url, body=None, method=None):
    """A request for `urlopen`."""
    return urllib.request.Request(url, body, CONTROL_HEADERS, method=method)
