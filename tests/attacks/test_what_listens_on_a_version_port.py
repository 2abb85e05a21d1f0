"""Something else listens where a version was expected, and its secrets must not reach a log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminator.probe.ask import ask
from terminator.probe.body import NoVersionError, Place, parse_body, read_version
from tests.fakes.hostile import says, serving
from tests.probe.asking import LOOPBACK, question

# As long as a key or a token, and no number.
secrets = st.from_regex(r"[A-Za-z0-9+/=_.-]{20,60}", fullmatch=True).filter(
    lambda text: text[:24].strip("v0123456789._-") and not text[0].isdigit()
)
# What of a secret may be seen: a hash's beginning is no more than git shows.
MOST = 12
SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"  # noqa: S105 - made up

WRAPPED: dict[str, Callable[[str], str]] = {
    "bare": lambda secret: secret,
    "a line": lambda secret: f"{secret}\n",
    "the metadata service's": lambda secret: json.dumps(
        {
            "Code": "Success",
            "LastUpdated": "2026-11-26T12:00:00Z",
            "Type": "AWS-HMAC",
            "AccessKeyId": f"ASIA{secret}",
            "SecretAccessKey": secret,
            "Token": secret,
        },
        indent=2,
    ),
    "an environment": lambda secret: f"PATH=/bin\nVERSION=1.0.274\nTOKEN={secret}\n",
    "a version and more": lambda secret: f"1.0.274\nTOKEN={secret}\n",
    "a page": lambda secret: f"<html><input name=csrf value={secret}>1.0.274</html>",
    "a key": lambda secret: f"-----BEGIN PRIVATE KEY-----\n{secret}\n",
    "for a version": lambda secret: json.dumps({"version": f"{secret} {secret}"}),
    "JSON that is cut short": lambda secret: '{"token": "' + secret,
    "in an array": lambda secret: json.dumps([secret]),
    "named like a version": lambda secret: json.dumps(
        {"shared_secret": secret, "stage_token": secret, "release": {"tag": secret}}
    ),
    "beside a pre-release": lambda secret: json.dumps({"version": secret, "prerelease": secret}),
    "of an API": lambda secret: json.dumps({"version": "1", "releaseId": secret}),
}


def leaks(reason: str, secret: str) -> bool:
    """Say whether more of a secret stands in a reason than may be seen."""
    parts = (secret[at : at + MOST + 1] for at in range(len(secret) - MOST))
    return any(part in reason for part in parts)


def refusal(body: str, place: Place) -> str:
    """Return why no version is read of a body, nothing where one is."""
    try:
        parse_body(body.encode(), place.field, place.prefix, place.suffix)
    except NoVersionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("wrapped", WRAPPED)
@settings(max_examples=20)
@given(secret=secrets, field=st.sampled_from(["version", "build.version", "release.tag"]))
def test_a_secret_is_not_quoted(wrapped: str, secret: str, field: str) -> None:
    body = WRAPPED[wrapped](secret)
    for prefix, suffix in (("", ""), ("web-", ""), ("", "-x")):
        assert not leaks(refusal(body, Place(field, None, prefix, suffix)), secret)


def test_the_credentials_of_a_role_come_to_what_is_missing() -> None:
    body = WRAPPED["the metadata service's"](SECRET)
    assert refusal(body, Place()) == 'no field "version" in the JSON body; set version-field'


def test_an_operator_learns_what_it_is_and_what_would_mend_it() -> None:
    assert refusal("<!doctype html><title>Sign in</title> Tomcat/9.0.54", Place()) == (
        "not a version: markup of 51 characters; set version-prefix and version-suffix to what "
        'stands around "9.0.54"'
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nSet Cookie: session=s3cr3t\r\n\r\n1.0",
        b"s3cr3t of a service that speaks no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ns3cr3t\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1s3cr3t\r\n\r\n",
    ],
)
def test_what_is_no_http_is_not_quoted(answer: bytes) -> None:
    with serving(says(answer)) as server:
        [said] = ask([question(server.url())], 60, LOOPBACK)
    assert str(said["reason"]).startswith("broken answer: ")
    assert "s3cr3t" not in str(said["reason"])


@pytest.mark.parametrize("name", ["X-Version", "X-Shared-Secret"])
def test_a_header_is_not_quoted(name: str) -> None:
    response = httpx.Response(200, headers={name: SECRET, "X-Release": SECRET})
    with pytest.raises(NoVersionError) as refused:
        asyncio.run(read_version(response, Place(header="X-Version")))
    assert not leaks(str(refused.value), SECRET)
