"""What a compromised instance may answer, by name, and what the probe is to say of it.

The tests ask each of these, and `make hostile` prints what came of each.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass

from tests.fakes.hostile import (
    GIB,
    Behaviour,
    Server,
    Streams,
    at_once,
    chunked,
    closing,
    drips,
    message,
    resetting,
    says,
    silent,
)
from tests.probe.asking import HEAD, packed

VERSION = "1.0.274"
TIMEOUT = "timeout"
BROKEN = "broken answer: "
TOO_LONG = "body over 65536 bytes; set path to a smaller one"
ANSWER_TOO_LONG = "answer over 131072 bytes"
TOO_MANY_PIECES = "answer over 1000 pieces"
UNPACKED = "body is not what its content encoding says"
GOES_ON = "body goes on after its compressed end"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - made up
METADATA = "http://169.254.169.254/latest/meta-data/"

# Texts that a log, a terminal or a reader may take for something else.
NASTY = {
    "a forged log line": "1.0.274\nlive_asg_web => complete",
    "a forged JSON record": '1.0.274"}\r\n{"level": "INFO", "message": "live_asg_web => complete',
    "a cleared screen": "\x1b[2J\x1b[H1.0.274",
    "a colour": "\x1b[32m1.0.274\x1b[0m",
    "a window title": "\x1b]0;owned\x07",
    "a link": "\x1b]8;;http://169.254.169.254/\x1b\\1.0.274",
    "a device query": "\x1b[6n\x1bP$q\x1b\\",
    "C1 controls": "\x9b2J\x9d0;owned\x9c\x85",
    "backspaces": "9.9.9\b\b\b\b\b1.0.274",
    "a carriage return": "9.9.9\r1.0.274",
    "NULs": "1.0.274\0",
    "bidirectional overrides": "\u202e472.0.1\u202c\u2066\u2069",
    "line and paragraph separators": "1.0.274\u2028live\u2029",
    "invisible characters": "1.0\u200b.274\u00ad\ufeff!",
    "look-alikes": "\uff11.\uff10.\u06f2\u0667\u2024",
    "a lone surrogate": "1.0.274\ud800",
    "markup": "[bold red]1.0.274[/] :boom: <script>alert(1)</script>",
    "a shell's": "$(reboot) `reboot` ; reboot",
    "a format's": "%s%n {0} {group}",
}


@dataclass(frozen=True)
class Endpoint:
    """A behaviour, and what the probe says of it, or how that begins.

    `https` says that it is asked so, `tls` that it answers so.
    """

    behaviour: Behaviour
    told: str
    https: bool = False
    tls: bool = False

    def url(self, server: Server) -> str:
        """Say how it is asked where it is served."""
        return f"{'https' if self.https else 'http'}://{server.address}:{server.port}/version"


def endpoints() -> dict[str, Endpoint]:
    """Return all endpoints, fresh."""
    return {
        **_slow(),
        **_endless(),
        **_compressed(),
        **_chunks(),
        **_framing(),
        **_protocol(),
        **_bodies(),
        **_texts(),
        **_others(),
    }


def _slow() -> dict[str, Endpoint]:
    tls = Endpoint(silent, TIMEOUT, https=True)
    return {
        "silence": Endpoint(silent, TIMEOUT),
        "silence where TLS is asked": tls,
        "an answer, byte by byte": Endpoint(drips(b"", message(VERSION * 9), 0.1), TIMEOUT),
        "headers, byte by byte": Endpoint(drips(HEAD, b"X: " + b"y" * 99, 0.1), TIMEOUT),
        "a body, byte by byte": Endpoint(drips(HEAD + b"\r\n", b"1." * 99, 0.1), TIMEOUT),
        "chunks, byte by byte": Endpoint(drips(chunked(), b"1\r\n1\r\n" * 99, 0.1), TIMEOUT),
    }


def _endless() -> dict[str, Endpoint]:
    informal = b"HTTP/1.1 100 Continue\r\n\r\n" * 999
    hints = b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </x>\r\n" * 99 + b"\r\n"
    streams = {
        "no answer's end": (Streams(b"", b"1" * 65536), BROKEN),
        "headers without end": (Streams(HEAD, b"X: y\r\n" * 9999), BROKEN),
        "a header without end": (Streams(HEAD + b"X: ", b"y" * 65536), BROKEN),
        "a body without end": (Streams(HEAD + b"\r\n", b"1" * 65536), TOO_LONG),
        "a body of 1 GiB": (
            Streams(message(Content_Length=str(GIB)), b"1" * 65536, most=GIB),
            TOO_LONG,
        ),
        "chunks without end": (Streams(chunked(), b"1\r\n1\r\n" * 9999), TOO_MANY_PIECES),
        "a chunk's extension without end": (Streams(chunked() + b"1;", b"x" * 65536), BROKEN),
        "trailers without end": (Streams(chunked() + b"0\r\n", b"X: y\r\n" * 9999), BROKEN),
        "100 Continue without end": (Streams(b"", informal), TOO_MANY_PIECES),
        "103 Early Hints without end": (Streams(b"", hints * 99), ANSWER_TOO_LONG),
    }
    return {name: Endpoint(stream, told) for name, (stream, told) in streams.items()}


def _compressed() -> dict[str, Endpoint]:
    zeros = b"1" * (1 << 24)
    bomb, twice = gzip.compress(b"1" * (1 << 21)), packed(packed(VERSION.encode()))
    members = packed(b"1.0") + packed(b".274")
    answers = {
        "a gzip bomb of 2 MiB": (bomb, "gzip", TOO_LONG),
        "a gzip bomb of 16 MiB": (gzip.compress(zeros), "gzip", TOO_LONG),
        "a deflate bomb of 2 MiB": (zlib.compress(zeros[: 1 << 21]), "deflate", TOO_LONG),
        "many gzip members": (packed(b"") * 99 + packed(VERSION.encode()), "gzip", GOES_ON),
        "a version in two gzip members": (members, "gzip", GOES_ON),
        "gzip and more": (packed(VERSION.encode()) + b"\0", "gzip", GOES_ON),
        "gzip cut short": (packed(VERSION.encode())[:-1], "gzip", "body is cut short"),
        "gzip with a wrong checksum": (packed(b"1.0")[:-5] + b"\1\0\0\0\0", "gzip", UNPACKED),
        "gzip that is none": (VERSION.encode(), "gzip", UNPACKED),
        "gzip within gzip": (twice, "gzip, gzip", 'content encoding "gzip, gzip"'),
        "gzip within gzip, said once": (twice, "gzip", "not a version: "),
        "Brotli": (b"\x1b", "br", 'content encoding "br"'),
        "an encoding that clears the screen": (b"1.0", "\x1b[2J", 'content encoding "\\u001b[2J"'),
        "an encoding of 50,000 letters": (b"1.0", "x" * 50_000, 'content encoding "xxx'),
    }
    return {
        name: Endpoint(says(message(body, Content_Encoding=encoding)), told)
        for name, (body, encoding, told) in answers.items()
    }


def _chunks() -> dict[str, Endpoint]:
    rest = b"\r\n1.0.274\r\n0\r\n\r\n"
    answers = {
        "a chunk of negative size": (b"-7" + rest, BROKEN),
        "a chunk of a size that is no number": (b"seven" + rest, BROKEN),
        "a chunk of size 0x7": (b"0x7" + rest, BROKEN),
        "a chunk of size +7": (b"+7" + rest, BROKEN),
        "a chunk of no size": (rest, BROKEN),
        "a chunk of 2**76 bytes": (b"f" * 19 + rest, BROKEN),
        "a chunk whose size has 1,000 digits": (b"f" * 1000 + rest, BROKEN),
        "a chunk that is longer than it says": (b"3" + rest, BROKEN),
        "a chunk that is shorter than it says": (b"9" + rest, BROKEN),
        "a chunk with an extension": (b"7;a=\x1b" + rest, VERSION),
        "a chunk with a size of many zeros": (b"0000000000007" + rest, VERSION),
        "trailers": (b"7\r\n1.0.274\r\n0\r\nX: y\r\nContent-Length: 3\r\n\r\n", VERSION),
    }
    return {
        name: Endpoint(says(chunked() + answer), told) for name, (answer, told) in answers.items()
    }


def _framing() -> dict[str, Endpoint]:
    both = message(Content_Length="3", Transfer_Encoding="chunked")
    twice = {"Transfer_Encoding": "chunked, chunked", "Content_Length": ""}
    answers = {
        "a length and chunks": (both + b"7\r\n1.0.274\r\n0\r\n\r\n", VERSION),
        "two lengths that differ": (message("1.0.274", Content_length="3"), BROKEN),
        "two lengths alike": (message("1.0.274", Content_length="7"), VERSION),
        "a negative length": (message("1.0.274", Content_Length="-7"), BROKEN),
        "a length of +7": (message("1.0.274", Content_Length="+7"), BROKEN),
        "a length of 10**30": (message("1.0.274", Content_Length="1" + "0" * 30), BROKEN),
        "a length of 5,000 digits": (message("1.0.274", Content_Length="7" * 5000), BROKEN),
        "chunks within chunks": (message("7\r\n1.0.274\r\n0\r\n\r\n", **twice), BROKEN),
        "an unknown transfer encoding": (message("1", 200, Transfer_Encoding="gzip"), BROKEN),
        "a space in a header's name": (HEAD + b"Content Length: 7\r\n\r\n1.0.274", BROKEN),
        "a NUL in a header": (message("1.0.274", X="\0"), BROKEN),
        "a header that folds": (message("1.0.274", X="y\r\n Content-Length: 3"), VERSION),
        "a second answer": (message("1.0.274") + message("9.9.9"), VERSION),
    }
    return {name: Endpoint(says(answer), told) for name, (answer, told) in answers.items()}


def _protocol() -> dict[str, Endpoint]:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
    good = message(VERSION)
    answers = {
        "HTTP/0.9": (b"1.0.274", BROKEN),
        "HTTP/2": (b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0\0\5\0\xff\xff\xff", BROKEN),
        "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BROKEN),
        "HTTP/9.9": (good.replace(b"HTTP/1.1", b"HTTP/9.9"), VERSION),
        "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", BROKEN),
        "an upgrade": (upgrade + good, BROKEN),
        "status 204 with a body": (message(VERSION, 204), "status 204"),
        "status 304 with a body": (message(VERSION, 304), "status 304"),
        "status 206": (message(VERSION, 206), "status 206"),
        "status 999": (message(VERSION, 999), "status 999"),
        "status 0200": (good.replace(b"200", b"0200"), BROKEN),
        "a reason that clears the screen": (good.replace(b"Whatever", b"\x1b[2J"), VERSION),
        "a redirect to instance metadata": (message("", 302, Location=METADATA), "status 302"),
        "a refresh to instance metadata": (message(VERSION, Refresh=f"0; {METADATA}"), VERSION),
        "a demand to authenticate": (
            message("", 401, WWW_Authenticate='Basic realm="x"'),
            "status 401",
        ),
    }
    return {
        **{name: Endpoint(says(answer), told) for name, (answer, told) in answers.items()},
        "HTTP where TLS is asked": Endpoint(at_once(good), "no TLS: ", https=True),
        "TLS where HTTP is asked": Endpoint(says(good), BROKEN, tls=True),
        "a close at once": Endpoint(closing, BROKEN),
        "a reset": Endpoint(resetting, BROKEN),
        "a reset where TLS is asked": Endpoint(resetting, "", https=True),
    }


def _bodies() -> dict[str, Endpoint]:
    no_string = 'field "version" is '
    bodies = {
        "a version of 1,000,000 digits": (b"1" * 1_000_000, TOO_LONG),
        "a version of 129 digits": (b"1" * 129, "not a version: "),
        "a version of 128 digits": (b"1." + b"1" * 126, "1." + "1" * 126),
        "64 KiB of digits": (b"1" * 65_536, 'not a version: "111'),
        "64 KiB of digits, as JSON": (b'"' + b"1" * 65_534 + b'"', 'not a version: "111'),
        "a long key around thousands": (
            json.dumps({"k" * 30_000: dict.fromkeys(map(str, range(3000)), 1)}).encode(),
            "no field ",
        ),
        "JSON 100 deep": (b'{"version":' * 100 + b"1" + b"}" * 100, f"{no_string}an object"),
        "JSON 2,000 deep": (b"[" * 2000 + b"]" * 2000, "not a version: "),
        "JSON 2,000 deep in an object": (
            b'{"version": ' + b"[" * 2000 + b"]" * 2000 + b"}",
            "",
        ),
        "JSON 100,000 deep": (b'{"a":' * 100_000, TOO_LONG),
        "a JSON number of 4,000 digits": (
            b'{"version": ' + b"1" * 4000 + b"}",
            "not a version: ",
        ),
        "the JSON number 1e4000": (b'{"version": 1e4000}', f"{no_string}a fraction"),
        "a JSON key twice, of which the last counts": (
            b'{"version": "9.9.9", "version": "1.0.274"}',
            VERSION,
        ),
        "JSON that hides a key": (b'{"version\\u0000": "9.9.9"}', "no field "),
        "UTF-16": (VERSION.encode("utf-16"), VERSION),
        "invalid UTF-8": (b"1.0.\xff\xc0\xaf", "not a version: "),
    }
    return {name: Endpoint(says(message(body)), told) for name, (body, told) in bodies.items()}


def _texts() -> dict[str, Endpoint]:
    encoded = {name: text.encode("utf-8", "surrogatepass") for name, text in NASTY.items()}
    escaped = {f"{name}, as JSON": json.dumps({"version": text}) for name, text in NASTY.items()}
    bodies: dict[str, bytes] = {
        **encoded,
        **{name: text.encode() for name, text in escaped.items()},
    }
    return {name: Endpoint(says(message(body)), "not a version: ") for name, body in bodies.items()}


def _others() -> dict[str, Endpoint]:
    """Return what else may listen on a version port: what it tells is nobody's business."""
    role = {"Code": "Success", "AccessKeyId": f"ASIA{SECRET}", "Token": SECRET}
    page = f"<!doctype html><title>Admin</title><input name=csrf value={SECRET}>"
    none = "not a version: "
    answers = {
        "the credentials of a role": (message(json.dumps(role)), 'no field "version" in '),
        "an environment": (message(f"PATH=/bin\nTOKEN={SECRET}\n"), f"{none}text of "),
        "a page of an admin": (message(page), f"{none}markup of "),
        "a private key": (message(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n"), f"{none}text of "),
        "a version and a secret": (message(f"1.0.274\nTOKEN={SECRET}"), f'{none}"1.0.274\\n…"'),
        "a secret that is named like a version": (
            message(json.dumps({"shared_secret": SECRET, "release": {"tag": SECRET}})),
            'no field "version" in ',
        ),
        "a cookie in a broken header": (
            HEAD + f"Set Cookie: {SECRET}\r\n\r\n".encode(),
            f'{BROKEN}"illegal header line"',
        ),
        "a greeting with a secret": (f"{SECRET} ready\r\n\r\n".encode(), BROKEN),
    }
    return {name: Endpoint(says(answer), told) for name, (answer, told) in answers.items()}
