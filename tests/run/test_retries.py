"""Real boto3 clients against a server on loopback that fails: what is retried, and what never."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import boto3
import pytest

from terminator import clients as aws
from terminator import terminate as act
from terminator.clients import Aws
from terminator.errors import AWS_ERRORS, explain
from terminator.observe import autoscaling as describe
from terminator.terminate import Terminations
from tests.fakes.hostile import refusing

ERROR = "<ErrorResponse><Error><Code>{}</Code><Message>m</Message></Error></ErrorResponse>"
UNSURE = "no clear answer, so it may have been terminated: "


@dataclass
class Answers:
    """What the server says to everything, and how often it was asked; no status: nothing."""

    status: int | None
    body: str = ""
    asked: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    answers: ClassVar[Answers]

    def do_POST(self) -> None:
        self.answers.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.answers.status is None:
            self.answers.over.wait(30)
            return
        self.send_response(self.answers.status)
        self.end_headers()
        self.wfile.write(self.answers.body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answers], Aws]]:
    """Return what starts a server of these answers and gives AWS at it; nothing waits long."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    monkeypatch.setattr(aws, "_config", partial(aws._config, read_seconds=0.3))  # noqa: SLF001
    started: list[tuple[ThreadingHTTPServer, Answers]] = []

    def start(answers: Answers) -> Aws:
        handler = type("Handler", (_Handler,), {"answers": answers})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        started.append((server, answers))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return at(f"http://127.0.0.1:{server.server_port}")

    yield start
    for server, answers in started:
        answers.over.set()
        server.shutdown()
        server.server_close()


def at(url: str) -> Aws:
    """Return AWS at a URL."""

    class Session(boto3.Session):
        def client(self, name: str, **more: Any) -> Any:  # type: ignore[override]
            return super().client(name, endpoint_url=url, **more)  # type: ignore[call-overload]

    return Aws(Session(region_name="us-east-1"))


def failing(code: str, status: int) -> Answers:
    """Return answers that are this error."""
    return Answers(status, ERROR.format(code))


@pytest.mark.parametrize(
    ("answers", "times", "told"),
    [
        (failing("Throttling", 400), 3, "Throttling: m"),
        (failing("InternalFailure", 500), 3, "InternalFailure: m"),
        (failing("ResourceContention", 500), 3, "ResourceContention: m"),
        (Answers(503, "<html>busy</html>"), 3, "503: Service Unavailable"),
        (Answers(None), 3, "ReadTimeoutError: Read timeout on endpoint URL: "),
        (failing("AccessDenied", 403), 1, "AccessDenied: m"),
        (failing("ValidationError", 400), 1, "ValidationError: m"),
        (failing("ExpiredToken", 403), 1, "ExpiredToken: m"),
        (Answers(200, "<html>sign in</html>"), 1, "KeyError: 'DescribeAutoScalingGroupsResult'"),
        (Answers(200, "not XML"), 1, "ResponseParserError: Unable to parse response"),
    ],
    ids=lambda value: value.body[28:60] if isinstance(value, Answers) else "",
)
def test_a_describe_is_tried_three_times_where_that_may_help(
    serve: Callable[[Answers], Aws], answers: Answers, times: int, told: str
) -> None:
    with pytest.raises((*AWS_ERRORS, KeyError)) as caught:
        describe.describe_groups(serve(answers).autoscaling, ["web"], tagged=False)
    assert answers.asked == times
    assert explain(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        (failing("Throttling", 400), Terminations(failed={"i-1": "Throttling: m"})),
        (
            failing("InternalFailure", 500),
            Terminations(failed={"i-1": f"{UNSURE}InternalFailure: m"}, unclear=("i-1",)),
        ),
        (
            failing("ResourceContention", 500),
            Terminations(deferred={"i-1": "ResourceContention: m"}),
        ),
        (
            failing("ScalingActivityInProgress", 400),
            Terminations(deferred={"i-1": "ScalingActivityInProgress: m"}),
        ),
        (failing("AccessDenied", 403), Terminations(failed={"i-1": "AccessDenied: m"})),
    ],
    ids=["Throttling", "InternalFailure", "ResourceContention", "busy", "AccessDenied"],
)
def test_a_termination_is_tried_once_whatever_is_answered(
    serve: Callable[[Answers], Aws], answers: Answers, outcomes: Terminations
) -> None:
    told = act.terminate(serve(answers).terminating, ["i-1", "i-2"], lambda: 300.0)
    assert (told, answers.asked) == (outcomes, 1)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (Answers(None), "ReadTimeoutError: "),
        (Answers(503, "<html>busy</html>"), "503: Service Unavailable"),
        (Answers(200, "not XML"), "ResponseParserError: "),
    ],
    ids=["silence", "503", "not XML"],
)
def test_a_termination_without_a_clear_answer_is_tried_once_and_may_have_happened(
    serve: Callable[[Answers], Aws], answers: Answers, told: str
) -> None:
    said = act.terminate(serve(answers).terminating, ["i-1", "i-2"], lambda: 300.0)
    assert list(said.failed) == ["i-1"]
    assert said.failed["i-1"].startswith(f"{UNSURE}{told}")
    assert answers.asked == 1


def test_a_termination_that_was_never_sent_has_not_happened() -> None:
    with refusing() as address:
        said = act.terminate(at(f"http://{address}").terminating, ["i-1"], lambda: 300.0)
    assert said.failed["i-1"].startswith("EndpointConnectionError: ")


def test_a_function_is_waited_for_no_longer_than_asked(
    serve: Callable[[Answers], Aws],
) -> None:
    answers = Answers(None)
    client = serve(answers).functions_within(0.3)
    with pytest.raises(AWS_ERRORS, match="Read timeout"):
        client.invoke(FunctionName="probe", Payload=b"{}")
    assert answers.asked == 1
