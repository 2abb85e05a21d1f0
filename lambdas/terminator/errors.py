"""What AWS's errors say, in one line that is safe for a log."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from terminator.version import quoted

_LONGEST = 300

AWS_ERRORS = (ClientError, BotoCoreError)


def code(error: ClientError) -> str:
    """Return the error code that AWS answered, such as `AccessDenied`."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def explain(error: Exception) -> str:
    """Return an error in one line: AWS's code and message, or the exception's own."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        return f"{code(error)}: {plain(message)}"
    return f"{type(error).__name__}: {plain(str(error))}"


def plain(text: str) -> str:
    """Return the text capped and with everything but printable ASCII escaped, unquoted."""
    return quoted(text, _LONGEST)[1:-1].replace('\\"', '"')
