"""Whether a zip in the releases bucket is readable."""

from __future__ import annotations

import errno
import io
import os
import struct
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from terminator.errors import KnownError, code, explain
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# What S3 says of the zip itself; anything else says that S3 could not be asked. The answer
# to HeadObject has no body, so its codes are statuses:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
_OF_THE_ZIP: Final = frozenset(
    {"403", "404", "AccessDenied", "InvalidObjectState", "InvalidRange", "NoSuchKey"}
)
# A central directory of 16 MiB lists some 200,000 files.
_LONGEST_READ: Final = 16 * 2**20
# Bit 0 of the general purpose flags, section 4.4.4 of
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
_ENCRYPTED: Final = 0x1
_END_SIGNATURE: Final = b"PK\5\6"
_LONGEST_COMMENT: Final = 0xFFFF
_END_RECORD: Final = struct.Struct("<4s4H2LH")
# The number of a part that stands elsewhere; zipfile refuses a split zip of that kind.
_IN_ZIP64: Final = 0xFFFF


def zip_problem(
    s3: S3Client, bucket: str, key: str, before_each: Callable[[], None] = lambda: None
) -> str | None:
    """Say why the zip cannot be read, None where it can.

    Only its central directory is read, by ranged reads; `before_each` is called before each
    of them, and may raise. Failures to reach S3 pass through.
    """
    try:
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        with zipfile.ZipFile(Ranged(s3, bucket, key, size, before_each)) as archive:
            return problem_of(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return plain(str(error))
    except ClientError as error:
        if code(error) not in _OF_THE_ZIP:
            raise
        return explain(error)


def problem_of(archive: zipfile.ZipFile) -> str | None:
    """Say what keeps a boot script from unpacking an open zip, as its central directory tells."""
    files = archive.infolist()
    if any(each.flag_bits & _ENCRYPTED for each in files):
        return "it is encrypted"
    if _is_split(archive):
        return "it is one part of a split zip"
    return None if files else "it holds no files"


def _is_split(archive: zipfile.ZipFile) -> bool:
    """Say whether other parts belong to it: only the last part has the central directory.

    The numbers of its parts stand in the end record, section 4.3.16, which is found as zipfile
    finds it: mostly right at the end but for a comment.
    """
    parts = {each.volume for each in archive.infolist()}
    file = archive.fp
    if file is None:
        raise ValueError("the zip is closed")
    for comment in (len(archive.comment), _LONGEST_COMMENT):
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _END_RECORD.size - comment))
        tail = file.read()
        at = tail.rfind(_END_SIGNATURE)
        if 0 <= at <= len(tail) - _END_RECORD.size:
            _, part, first, *_ = _END_RECORD.unpack_from(tail, at)
            parts |= {part, first}
            break
    return not parts <= {0, _IN_ZIP64}


class Ranged:
    """An object in S3 as a seekable file; every read is one ranged GetObject.

    A read of over 16 MiB raises BadZipFile, as only a broken zip asks for so much.
    """

    def __init__(
        self, s3: S3Client, bucket: str, key: str, size: int, before_each: Callable[[], None]
    ) -> None:
        self._s3, self._bucket, self._key, self._size = s3, bucket, key, size
        self._before_each = before_each
        self._position = 0

    def tell(self) -> int:
        """Return the offset at which the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as a file does; raise OSError before the beginning."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = start + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, or all that are left, fewer at the end."""
        rest = max(0, self._size - self._position)
        length = rest if size < 0 else min(size, rest)
        if length > _LONGEST_READ:
            raise zipfile.BadZipFile(f"its central directory is over {_LONGEST_READ} bytes")
        if length == 0:
            return b""
        span = f"bytes={self._position}-{self._position + length - 1}"
        self._before_each()
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=span)
            data = answer["Body"].read()
        except OSError as error:
            # As an OSError, zipfile would take it for the file's own fault.
            raise KnownError(explain(error)) from error
        self._position += length
        return data
