"""`make demo`, as its user runs it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_act_of_the_demo_keeps_its_promises() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.demo", "--verbose"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    assert "43 of 43 promises kept" in done.stdout
    assert "needs attention (canary i-" in done.stdout
    assert "\x1b" not in done.stdout
    # What every run of two days found is folded.
    rows = done.stdout.partition("live_asg_api, as its runs found it")[2].partition("43 of 43")[0]
    assert len(rows.strip().splitlines()) < 20


def test_interrupted_it_ends_with_a_line_and_without_log_lines() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sandbox.demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "ok: the upload costs live_asg_web one canary" in line:
                process.send_signal(signal.SIGINT)
                break
        said += process.stdout.read()
        assert process.wait(timeout=30) == 130
    assert "interrupted: the fleet is gone" in said
    assert "Traceback" not in said
    assert "=>" not in said
