"""Short run of `manage.py chaos`: processes are killed while users and bots trade; all state must be consistent.

`tests/wallets/test_lost_requests.py` shows that without the expiry wait orders are doubled: there the losses come
from a seed, and nothing depends on the load of the machine.
"""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.e2e.stack import NOT_INHERITED, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

WITHIN = 400
CLEAN = (
    "lost", "doubled", "orphaned", "unexplained", "fills", "positions", "ledger", "residuals", "late", "problems",
    "unowned", "faulted", "active", "standing", "levels", "shares", "snapshots", "journal", "replay", "left",
)  # fmt: skip


@pytest.fixture
def chaos(stack_folder):
    """Run the command in a folder of its own. Returns (exit status, report lines by first word, output)."""

    def run(*arguments):
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "chaos", *arguments],
            cwd=ROOT, env={**inherited, "CRYPTOTRADE_VAR": str(stack_folder)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            out, err = process.communicate(timeout=WITHIN)
        except subprocess.TimeoutExpired:
            process.terminate()  # the command then stops its stack
            out, err = process.communicate()
        report = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
        return process.returncode, report, out + err[-3000:]

    return run


@pytest.mark.proof
def test_sixty_orders_and_six_bots_survive_repeated_process_kills(chaos):
    status, report, output = chaos(
        "--orders", "60", "--action-interval", "1", "--bots", "6", "--kills", "8", "--seed", "29", "--fault-interval", "1",
        "--fault-scale", "1", "--kinds", "supervisor,pause-supervisor,execution,pause-execution,redis,postgres,web",
    )  # fmt: skip
    report["left"] = report.get("left", "").removeprefix("behind").strip()
    assert {name: report.get(name) for name in CLEAN} == dict.fromkeys(CLEAN, "0"), output
    assert int(report["orders"].split()[0]) >= 40, output
    assert "supervisor" in report["faults"], output
    assert int(report["decided"].split()[0]) >= 50, output
    assert status == 0, output


def test_an_unknown_fault_kind_is_rejected_before_the_run_starts(monkeypatch):
    monkeypatch.setattr(
        "tools.chaos.management.commands.chaos._restart_inside", lambda var: pytest.fail("the run starts")
    )
    with pytest.raises(CommandError, match="unknown kind everything"):
        call_command("chaos", "--kinds", "everything")
