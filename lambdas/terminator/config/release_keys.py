"""Keys in the releases bucket: which app and version a zip is, and where a pointer lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from terminator.config import values
from terminator.text import quoted
from terminator.version import NotAVersionError, Order, Version, read

_APP: Final = "{app}"
_VERSION: Final = "{version}"
_POINTER_NAME: Final = "current"
_PLACES: Final = re.compile(r"\{(app|version)\}")
_ENDING: Final = re.compile(r"\.[A-Za-z0-9]{1,10}")


class KeyTemplateError(ValueError):
    """The text is no key template; the message quotes it and says what one is."""


class KeyNameError(ValueError):
    """The key does not name an app and a version; the message quotes it and says why."""


@dataclass(frozen=True)
class KeyTemplate:
    """How the key of a zip is made from an app and a version: `{app}/{version}.zip`.

    `only_app` is the app of a bucket that holds the zips of one app, whose keys do not name it;
    else it is empty. Where `is_fixed` all releases of an app have one key, and each object says
    in its metadata which version it is.
    """

    text: str
    only_app: str = ""

    @classmethod
    def parse(cls, text: str, only_app: str = "") -> KeyTemplate:
        """Read a template; raise KeyTemplateError.

        It names `{version}` once or, for a fixed name, not at all, and `{app}` as often as it
        likes, or not at all where there is only one app. With both, one `{app}` stands in a part
        of the path without `{version}`, so that where the one ends and the other begins is never
        in doubt. It ends in an extension.
        """
        left = _PLACES.sub("", text)
        parts = text.split("/")
        apart = any(_APP in part and _VERSION not in part for part in parts)
        both = _APP in text and _VERSION in text
        is_one = (
            "{" not in left
            and "}" not in left
            and text.count(_VERSION) <= 1
            and bool(_ENDING.fullmatch(_extension(parts[-1])))
            and (apart or not both)
        )
        if not is_one:
            raise KeyTemplateError(
                f"{quoted(text)}; accepted is a key with {{app}} and {{version}}, a / between them "
                "and an extension such as .zip at its end"
            )
        if _APP in text and only_app:
            raise KeyTemplateError(f"{quoted(text)} names {{app}}, so releases.app must not")
        if _APP not in text and not only_app:
            raise KeyTemplateError(
                f"{quoted(text)} names no {{app}}; accepted is that with releases.app, the one app"
            )
        return cls(text, only_app)

    @property
    def is_fixed(self) -> bool:
        """Whether a key names no version, so that the object's metadata has to."""
        return _VERSION not in self.text

    @property
    def is_zip(self) -> bool:
        """Whether what is released is a zip, which can be looked into before it is booted."""
        return self.text.lower().endswith(".zip")

    @property
    def ending(self) -> str:
        """The extension with which all keys end: `.zip`."""
        return _extension(self.text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern = re.escape(self.text)
        for name in ("app", "version"):
            place = re.escape(f"{{{name}}}")
            pattern = pattern.replace(place, f"(?P<{name}>[^/]+)", 1)
            pattern = pattern.replace(place, f"(?P={name})")
        return re.compile(pattern)

    def prefix(self, app: str) -> str:
        """Return what the keys of all zips of the app begin with."""
        return self.text.split(_VERSION)[0].replace(_APP, app)

    def key(self, app: str, version: Version) -> str:
        """Return the key of the zip of an app's version, spelled as the version is."""
        return self.text.replace(_APP, app).replace(_VERSION, str(version))

    def app_of(self, key: str) -> str:
        """Return the app that a key names; raise KeyNameError where it is of another form."""
        return self._parts(key)[0]

    def read(self, key: str, order: Order = "version") -> tuple[str, Version]:
        """Return the app and the version that a key names; raise KeyNameError."""
        app, text = self._parts(key)
        try:
            return app, read(text, order)
        except NotAVersionError as error:
            raise KeyNameError(f"key {quoted(key, 120)} names no version: {error}") from None

    def _parts(self, key: str) -> tuple[str, str]:
        """Return the app and the text of the version that a key names."""
        match = self._pattern.fullmatch(key)
        if match is None:
            raise KeyNameError(f"key {quoted(key, 120)} is not of the form {self.text}")
        found = match.groupdict()
        app = self.only_app or found["app"]
        # Of a fixed name the key has no version, and says nothing wrong about it.
        version = found.get("version", "")
        try:
            return values.app(app), version
        except ValueError:
            raise KeyNameError(f"key {quoted(key, 120)} names no app") from None


def _extension(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""


def pointer_key(app: str) -> str:
    """Return the key of the app's pointer."""
    return f"{app}/{_POINTER_NAME}"


def pointed_app(key: str) -> str | None:
    """Return the app whose pointer the key is, None where it is no pointer."""
    app, _, name = key.rpartition("/")
    return app if app and name == _POINTER_NAME else None
