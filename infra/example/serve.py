"""A release's program: says which version it is.

Answers /version with the text of the file VERSION beside it, on $PORT of $HOST (all addresses
unless set). An instance runs it with Python 3.9.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()
PAGES = {
    "/": f"Hello! You see version {VERSION} of the example.\n",
    "/version": f"{VERSION}\n",
}


class Handler(BaseHTTPRequestHandler):
    """Answers with one of the pages."""

    def do_GET(self) -> None:
        """Answer a GET."""
        page = PAGES.get(self.path)
        self.send_response(HTTPStatus.NOT_FOUND if page is None else HTTPStatus.OK)
        body = (page or "There is no such page.\n").encode()
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    address = os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(address, Handler).serve_forever()
