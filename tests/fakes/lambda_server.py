"""AWS on loopback for what the local one never does: functions that run, and refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Status, headers and body.
Answer = tuple[int, Mapping[str, str], bytes]
Function = Callable[[Any], Any]


class Throttled(Exception):  # noqa: N818 - that is what the function is
    """Says that the function is busy."""


@contextmanager
def functions(named: Mapping[str, Function]) -> Iterator[dict[str, str]]:
    """Run a Lambda of these functions; yield the environment in which boto3 invokes them.

    One that is invoked asynchronously runs at once, and its answer goes nowhere.
    """

    def answer(path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        name = path.split("/")[3]
        if name not in named:
            return _refused(404, "ResourceNotFoundException")
        try:
            answered = named[name](json.loads(body))
        except Throttled:
            return _refused(429, "TooManyRequestsException")
        if headers.get("X-Amz-Invocation-Type") == "Event":
            return 202, {}, b""
        return 200, {}, json.dumps(answered).encode()

    with serving(answer) as url:
        yield {"AWS_ENDPOINT_URL_LAMBDA": url}


def _refused(status: int, kind: str) -> Answer:
    return status, {"X-Amzn-ErrorType": kind}, json.dumps({"Message": "no"}).encode()


@contextmanager
def denying() -> Iterator[dict[str, str]]:
    """Run an AWS that denies everything; yield the environment of its callers."""

    def answer(_path: str, _body: bytes, headers: Mapping[str, str]) -> Answer:
        scope = headers.get("Authorization", "").partition("Credential=")[2]
        error = "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"
        match (scope.split("/") + [""] * 4)[3]:
            case "lambda":
                return _refused(403, "AccessDeniedException")
            case "s3":
                body = error
            case "ec2":
                body = f"<Response><Errors>{error}</Errors></Response>"
            case _:
                body = f"<ErrorResponse>{error}</ErrorResponse>"
        return 403, {"Content-Type": "text/xml"}, body.encode()

    with serving(answer) as url:
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }


@contextmanager
def serving(answer: Callable[[str, bytes, Mapping[str, str]], Answer]) -> Iterator[str]:
    """Serve on loopback what `answer` says of a path, a body and headers; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, sent = answer(self.path, body, dict(self.headers))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server's

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
