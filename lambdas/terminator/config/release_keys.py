"""Keys in the releases bucket: which app and version a zip is, and where a pointer lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from terminator.config import values
from terminator.text import quoted
from terminator.version import NotAVersionError, Version

_APP: Final = "{app}"
_VERSION: Final = "{version}"
_POINTER_NAME: Final = "current"
_TEMPLATE: Final = re.compile(r"[^{}]*\{(app|version)\}[^{}]*/[^{}]*\{(app|version)\}[^{}]*\.zip")


class KeyTemplateError(ValueError):
    """The text is no key template; the message quotes it and says what one is."""


class KeyNameError(ValueError):
    """The key does not name an app and a version; the message quotes it and says why."""


@dataclass(frozen=True)
class KeyTemplate:
    """How the key of a zip is made from an app and a version: `{app}/{version}.zip`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> KeyTemplate:
        """Read a template; raise KeyTemplateError.

        It names `{app}` and `{version}` once each, with a `/` between them so that where the
        one ends and the other begins is never in doubt, and ends in `.zip`.
        """
        match = _TEMPLATE.fullmatch(text)
        if match is None or match[1] == match[2]:
            raise KeyTemplateError(
                f"{quoted(text)}; accepted is a key with {{app}} and {{version}} once each, "
                "a / between them and .zip at its end"
            )
        return cls(text)

    def prefix(self, app: str) -> str:
        """Return what the keys of all zips of the app begin with."""
        return self.text.split(_VERSION)[0].replace(_APP, app)

    def key(self, app: str, version: Version) -> str:
        """Return the key of the zip of an app's version, spelled as the version is."""
        return self.text.replace(_APP, app).replace(_VERSION, str(version))

    def read(self, key: str) -> tuple[str, Version]:
        """Return the app and the version that a key names; raise KeyNameError."""
        pattern = re.escape(self.text)
        for name in ("app", "version"):
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>[^/]+)")
        match = re.fullmatch(pattern, key)
        if match is None:
            raise KeyNameError(f"key {quoted(key, 120)} is not of the form {self.text}")
        try:
            return values.app(match["app"]), Version.parse(match["version"])
        except NotAVersionError as error:
            raise KeyNameError(f"key {quoted(key, 120)} names no version: {error}") from None
        except ValueError:
            raise KeyNameError(f"key {quoted(key, 120)} names no app") from None


def pointer_key(app: str) -> str:
    """Return the key of the app's pointer."""
    return f"{app}/{_POINTER_NAME}"


def pointed_app(key: str) -> str | None:
    """Return the app whose pointer the key is, None where it is no pointer."""
    app, _, name = key.rpartition("/")
    return app if app and name == _POINTER_NAME else None
