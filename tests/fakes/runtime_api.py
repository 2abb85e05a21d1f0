"""Lambda's runtime API on loopback: runs a handler of a bundle under awslambdaric."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, ClassVar, Final

_NEXT: Final = "/2018-06-01/runtime/invocation/next"
_REQUEST: Final = "request-1"
_ARN: Final = "arn:aws:lambda:eu-west-1:000000000000:function:terminator"
_LOOK_SECONDS: Final = 0.2
# As Lambda does it: the bundle first, then the runtime's own, and nothing else.
_RUN: Final = (
    "import runpy, sys; sys.path[:0] = sys.argv[1:3]; sys.argv[:] = ['awslambdaric', sys.argv[3]]; "
    "runpy.run_module('awslambdaric', run_name='__main__')"
)


@dataclass(frozen=True)
class Answer:
    """What became of an invocation: `kind` is the runtime's `response` or `error`."""

    kind: str
    value: Any


@dataclass
class Runtime:
    """A handler that waits for events."""

    process: subprocess.Popen[bytes]
    events: Queue[Any] = field(default_factory=Queue)
    answers: Queue[Answer] = field(default_factory=Queue)
    stopped: Event = field(default_factory=Event)

    def invoke(self, event: object) -> Answer:
        """Let the handler have the event, and return its answer; raise where it has ended."""
        self.events.put(event)
        while True:
            try:
                return self.answers.get(timeout=_LOOK_SECONDS)
            except Empty:
                if self.process.poll() is not None:
                    raise RuntimeError(f"it ended with {self.process.returncode}") from None


class _Api(BaseHTTPRequestHandler):
    runtime: ClassVar[Runtime]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        while not self.runtime.stopped.is_set():
            try:
                event = self.runtime.events.get(timeout=_LOOK_SECONDS)
            except Empty:
                continue
            return self._send(200, json.dumps(event).encode())
        return None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.path.rsplit("/", 1)[1]
        self._send(202, b"{}")
        self.runtime.answers.put(Answer(kind, json.loads(body)))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        # The runtime client crashes where there is no content type.
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", _REQUEST)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 300) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", _ARN)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a handler is killed while it waits for its next event."""


@contextmanager
def running(
    handler: str, bundle: Path, own: Path, environment: Mapping[str, str], log: Path
) -> Iterator[Runtime]:
    """Run a handler for as long as the block; what it logs goes to a file.

    `own` holds what Lambda's runtime brings itself.
    """

    class Api(_Api):
        runtime: ClassVar[Runtime]

    with _Server(("127.0.0.1", 0), Api) as server, log.open("wb") as out:
        told = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and bundle
            [sys.executable, "-I", "-S", "-B", "-c", _RUN, str(bundle), str(own), handler],
            env={**environment, **told, **_function(bundle)},
            cwd=bundle,
            stdout=out,
            stderr=out,
        )
        Api.runtime = runtime = Runtime(process)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield runtime
        finally:
            runtime.stopped.set()
            process.kill()
            process.wait()
            server.shutdown()


def _function(bundle: Path) -> dict[str, str]:
    return {
        "LAMBDA_TASK_ROOT": str(bundle),
        "AWS_LAMBDA_FUNCTION_NAME": "terminator",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
    }
