"""`manage.py chaos`, short: real processes die while people and bots trade, and every book adds up after.

That the same run without the wait-out doubles orders is shown in `tests/wallets/test_lost_requests.py`, where the
same losses come by a seed and nothing depends on how busy the machine is.
"""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.e2e.stack import ROOT, TAKEN_FROM_US

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("house")]

WITHIN = 400
CLEAN = (
    "lost", "doubled", "orphaned", "unexplained", "fills", "positions", "ledger", "residuals", "late", "problems",
    "unowned", "faulted", "active", "standing", "levels", "shares", "snapshots", "journal", "replay", "left",
)  # fmt: skip


@pytest.fixture
def chaos(open_folder):
    """Run the command in a folder of its own. Returns (exit status, the sheet by its first words, output)."""

    def run(*arguments):
        inherited = {name: value for name, value in os.environ.items() if name not in TAKEN_FROM_US}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "chaos", *arguments],
            cwd=ROOT, env={**inherited, "CRYPTOTRADE_VAR": str(open_folder)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            out, err = process.communicate(timeout=WITHIN)
        except subprocess.TimeoutExpired:
            process.terminate()  # it stops its house
            out, err = process.communicate()
        sheet = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
        return process.returncode, sheet, out + err[-3000:]

    return run


def test_sixty_orders_and_six_bots_survive_a_house_that_is_killed_all_the_time(chaos):
    status, sheet, output = chaos(
        "--orders", "60", "--acts", "1", "--bots", "6", "--kills", "8", "--seed", "29", "--breaks", "1",
        "--faults", "1", "--kinds", "supervisor,pause-supervisor,execution,pause-execution,redis,postgres,web",
    )  # fmt: skip
    sheet["left"] = sheet.get("left", "").removeprefix("behind").strip()
    assert {name: sheet.get(name) for name in CLEAN} == dict.fromkeys(CLEAN, "0"), output
    assert int(sheet["orders"].split()[0]) >= 40, output
    assert "supervisor" in sheet["broken"], output
    assert int(sheet["decided"].split()[0]) >= 50, output
    assert status == 0, output


def test_a_kind_that_does_not_exist_is_refused_before_anything_begins(monkeypatch):
    monkeypatch.setattr(
        "cryptotrade.management.commands.chaos._go_inside", lambda var: pytest.fail("it begins")
    )
    with pytest.raises(CommandError, match="unknown kind everything"):
        call_command("chaos", "--kinds", "everything")
