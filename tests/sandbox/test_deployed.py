"""`make sandbox`, as its user runs it: the command line with nothing but `.sandbox/env`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from terminator_cli.main import main

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("terminator")
WEB = "live_asg_web"


@dataclass
class Sandbox:
    """One that runs, in a folder of its own, and what it told to put into the environment."""

    process: subprocess.Popen[str]
    folder: Path
    environment: dict[str, str]

    def terminator(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in another folder, by the sandbox's environment alone."""
        return subprocess.run(  # noqa: S603 - our own program
            [PROGRAM, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder.parent,
            env={"HOME": "/nonexistent", **self.environment, **variables},
        )

    def here(self, *arguments: str, **variables: str) -> Result:
        """Run a command in this process, which takes a tenth of the time of a program."""
        own = {"HOME": "/nonexistent", **self.environment, **variables}
        with patch.dict(os.environ, own, clear=True):
            return CliRunner().invoke(main, arguments)

    def json(self, *arguments: str) -> list[dict[str, object]]:
        """Return what a command prints with --json, once it has anything to print."""
        done = self.terminator(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        printed: list[dict[str, object]] = json.loads(done.stdout)
        return printed


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("here")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--pace", "2"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if "Ctrl-C ends it" in line:
                break
        written = folder / ".sandbox" / "env"
        assert written.exists(), "".join(told)
        shell = ["bash", "-c", f"set -a; . {written}; env -0"]
        shown = subprocess.run(shell, capture_output=True, text=True, check=True, env={})  # noqa: S603
        pairs = (each.split("=", 1) for each in shown.stdout.split("\0") if each)
        yield Sandbox(process, folder, dict(pairs))
        if process.poll() is None:
            process.kill()


def test_the_doctor_finds_nothing_to_mend(sandbox: Sandbox) -> None:
    found = sandbox.json("doctor")
    assert [each for each in found if each["level"] != "ok"] == []
    checked = {"function terminator-reconcile", f"group {WEB}", "app api"}
    assert checked <= {each["about"] for each in found}


def test_a_release_is_rolled_out_by_itself_and_history_tells_of_it(sandbox: Sandbox) -> None:
    archive = sandbox.folder / ".sandbox" / "web-1.0.274.zip"
    uploading = ("release", str(archive), "--app", "web", "--version", "1.0.274", "--yes")
    assert sandbox.terminator(*uploading).returncode == 0
    watched = sandbox.terminator(
        "status", "--group", WEB, "--watch", "--interval", "1s", "--timeout", "5m"
    )
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "3 of 3 on target, converged: 3 instances on 1.0.274" in watched.stdout
    gone = [each["terminated"] for each in sandbox.json("history", "--group", WEB)]
    assert sorted(map(len, filter(None, gone))) == [1, 1, 1]  # type: ignore[arg-type]
    page = sandbox.terminator("report", "--group", WEB, "-o", "-")
    assert "1.0.274 replaced 1.0.266" in page.stdout


def test_stopped_it_runs_nothing_until_it_is_started(sandbox: Sandbox) -> None:
    assert sandbox.terminator("stop").returncode == 0
    asked = sandbox.terminator("plan")
    assert asked.returncode == 1, asked.stdout + asked.stderr
    assert sandbox.terminator("start").returncode == 0
    assert sandbox.terminator("plan").returncode == 0


def test_its_log_has_what_release_said_of_the_upload(sandbox: Sandbox) -> None:
    subprocess_env = {**os.environ, **sandbox.environment}
    put = (
        "import boto3; boto3.client('s3').put_object(Bucket='releases', "
        "Key='api/1.0.299.zip', Body=b'PK no zip')"
    )
    subprocess.run([sys.executable, "-c", put], check=True, env=subprocess_env)  # noqa: S603
    log = sandbox.folder / ".sandbox" / "log.jsonl"
    end = time.monotonic() + 30
    while "api/1.0.299.zip => refused" not in log.read_text():
        assert time.monotonic() < end, "release was not told of the upload"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AWS_ENDPOINT_URL": ""}, "AWS_ENDPOINT_URL is not set"),
        ({"AWS_ENDPOINT_URL": "https://aws.example.com"}, "AWS_ENDPOINT_URL is https://aws.ex"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com"}, "AWS_ENDPOINT_URL is http://127"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example.com"}, "AWS_ENDPOINT_URL_S3 is https://s3"),
        ({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "IGNORE_CONFIGURED_ENDPOINT_URLS is tr"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "status", "apply", "doctor", "releases"])
def test_its_settings_are_refused_where_aws_is_not_on_this_machine(
    sandbox: Sandbox, command: str, variables: dict[str, str], told: str
) -> None:
    done = sandbox.here(command, **variables)
    assert done.exit_code == (1 if command == "doctor" else 2)
    said = " ".join((done.stdout + done.stderr).split())
    assert "is for a sandbox on this machine, but" in said
    assert told in said


def test_as_a_program_it_refuses_them_too(sandbox: Sandbox) -> None:
    done = sandbox.terminator("status", AWS_ENDPOINT_URL="https://aws.example.com")
    assert done.returncode == 2
    assert "is for a sandbox on this machine, but" in " ".join(done.stderr.split())


def test_interrupted_it_ends_without_a_traceback_and_takes_its_environment_away(
    sandbox: Sandbox,
) -> None:
    sandbox.process.send_signal(signal.SIGINT)
    assert sandbox.process.stdout is not None
    said = sandbox.process.stdout.read()
    assert sandbox.process.wait(timeout=30) == 0
    assert "Traceback" not in said
    assert said.strip() == "ended: the fleet is gone"
    assert not (sandbox.folder / ".sandbox" / "env").exists()
