"""A quick AWS on loopback, which boto3 speaks to over HTTP as it does to the real one.

`python -m benchmarks.aws GROUPS INSTANCES CONVERGED` prints its port. It answers what Terminator
asks, from such an account, and counts the calls: `GET /calls` tells them and forgets them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

from benchmarks import answers
from benchmarks.account import Account, version_of
from benchmarks.children import end_with_parent


class _Aws(BaseHTTPRequestHandler):
    account: ClassVar[Account]
    calls: ClassVar[Counter[str]] = Counter()
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        if at.path == "/calls":
            told = dict(self.calls)
            self.calls.clear()
            return self._send(json.dumps(told))
        if at.path.endswith(".zip"):
            return self._send_zip()
        if "lifecycle" in at.query:
            self.calls["GetBucketLifecycleConfiguration"] += 1
            return self._send(answers.lifecycle())
        self.calls["ListObjectVersions"] += 1
        return self._send(answers.versions(parse_qs(at.query)["prefix"][0]))

    def do_HEAD(self) -> None:
        self.calls["HeadObject"] += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(answers.ZIP)))
        self.end_headers()

    def _send_zip(self) -> None:
        self.calls["GetObject"] += 1
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        self._send(answers.ZIP[int(first) : int(last) + 1], status=206)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "/functions/" in self.path:
            return self._invoke(json.loads(body))
        if "X-Amz-Target" in self.headers:
            return self._put_events(json.loads(body))
        asked = dict(parse_qsl(body))
        action = asked["Action"]
        self.calls[action] += 1
        answer = answers.ACTIONS[action](self.account, asked)
        if action != "DescribeInstances":
            answer = answers.xml(f"{action}Result", answer)
        return self._send(answers.xml(f"{action}Response", answer))

    def _invoke(self, event: dict[str, list[dict[str, str]]]) -> None:
        self.calls["Invoke"] += 1
        if "questions" not in event:
            return self._send("", status=202)
        ids = [each["instance"] for each in event["questions"]]
        rows = [{"instance": i, "version": version_of(i), "reason": None} for i in ids]
        return self._send(json.dumps(rows))

    def _put_events(self, event: dict[str, list[object]]) -> None:
        self.calls[self.headers["X-Amz-Target"].removeprefix("AWSEvents.")] += 1
        entries = [{"EventId": "0"} for _ in event["Entries"]]
        self._send(json.dumps({"FailedEntryCount": 0, "Entries": entries}))

    def _send(self, text: str | bytes, status: int = 200) -> None:
        body = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: measured processes end with their connections open."""


def main() -> None:
    """Serve until the parent ends."""
    end_with_parent()
    _Aws.account = Account.from_texts(*sys.argv[1:4])
    with _Server(("127.0.0.1", 0), _Aws) as server:
        print(server.server_port, flush=True)  # noqa: T201 - that is how the parent learns it
        server.serve_forever()


if __name__ == "__main__":
    main()
