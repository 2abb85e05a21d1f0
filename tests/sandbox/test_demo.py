"""`make demo`, as its user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_act_of_the_demo_keeps_its_promises() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    assert "26 of 26 promises kept" in done.stdout
    assert "needs attention: no proof yet: i-" in done.stdout
    assert "\x1b" not in done.stdout
