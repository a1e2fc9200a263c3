"""The objects Firehose left in a bucket: which may hold a window, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from setpoint.aws_errors import advice, error_code, handling_of
from setpoint.model import Window
from setpoint.sources.contract import SourceError
from setpoint.sources.object_times import times_in
from setpoint.sources.side_by_side import Patience
from setpoint.sources.unpack import BrokenError, TooLargeError, read_bounded, unpacked

LONGEST_BUFFER = timedelta(minutes=15)
"""How long Firehose may gather before it writes (its buffering hint, at most 900 s): an object lies under the hour its
oldest record arrived in."""
_CLOCKS_DIFFER = timedelta(minutes=5)
_GZIP = b"\x1f\x8b"
_MOVED = {
    "NoSuchKey": "it was deleted while it was being read",
    "PreconditionFailed": "it changed while it was being read",
}


@dataclass(frozen=True)
class Delivered:
    """An object as it was listed."""

    key: str
    etag: str
    size_bytes: int
    written_at: datetime


class NotUsedError(Exception):
    """An object cannot be used. The message says why."""


def _errors() -> tuple[type[Exception], ...]:
    """What botocore raises when there is no usable answer."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (BotoCoreError, ClientError, ResponseParserError)


class Bucket:
    """Reads the objects of one bucket.

    :param client: a boto3 ``s3`` client.
    :param permissions: what an error says is needed.
    """

    def __init__(self, client: Any, name: str, permissions: tuple[str, ...], patience: Patience) -> None:
        self._client, self._name, self._permissions, self._patience = client, name, permissions, patience

    def delivered(self, prefix: str, window: Window, now: datetime) -> list[Delivered]:
        """The objects that can hold points of a window, in the order they were written.

        A point is delivered after its minute is over, so what was written before the window began holds none of it.

        :raises SourceError: the bucket could not be listed.
        """
        oldest = window.start - _CLOCKS_DIFFER
        found = [
            one
            for hour in times_in(prefix, window.start - LONGEST_BUFFER, now)
            for one in self._listed(hour)
            if one.written_at >= oldest
        ]
        return sorted(found, key=lambda one: (one.written_at, one.key))

    def _listed(self, prefix: str) -> Iterator[Delivered]:
        request = {"Bucket": self._name, "Prefix": prefix}
        while True:
            self._patience()
            try:
                page = self._client.list_objects_v2(**request)
            except _errors() as error:
                self._refused(f"listing s3://{self._name}/{prefix}", error)
            for one in page.get("Contents") or ():
                yield Delivered(one["Key"], one["ETag"], int(one["Size"]), one["LastModified"])
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or not token:
                return
            if token == request.get("ContinuationToken"):
                raise SourceError(f"listing s3://{self._name}/{prefix}: its pages never end", retryable=True)
            request["ContinuationToken"] = token

    def content(self, one: Delivered, max_megabytes: int) -> bytes:
        """An object's content, unpacked.

        :raises NotUsedError: it is gone, was replaced, is cut off, or is too large.
        :raises SourceError: it could not be read.
        """
        from botocore.exceptions import ClientError

        max_bytes = max_megabytes * 1_000_000
        if one.size_bytes > max_bytes:
            raise NotUsedError(f"it has {one.size_bytes // 1_000_000} MB, max_megabytes is {max_megabytes}")
        self._patience()
        try:
            answer = self._client.get_object(Bucket=self._name, Key=one.key, IfMatch=one.etag)
            with answer["Body"] as body:
                packed = read_bounded(body.read, max_bytes, self._patience)
        except TooLargeError as error:
            raise NotUsedError(f"it has {error}; max_megabytes is {max_megabytes}") from error
        except _errors() as error:
            if isinstance(error, ClientError) and (why := _MOVED.get(error_code(error))):
                raise NotUsedError(why) from error
            self._refused(f"reading s3://{self._name}/{one.key}", error)
        if len(packed) != one.size_bytes:
            raise NotUsedError(f"{len(packed)} of its {one.size_bytes} bytes came")
        try:
            return unpacked(packed, "gzip" if packed.startswith(_GZIP) else None, max_bytes, self._patience)
        except TooLargeError as error:
            raise NotUsedError(f"it has {error} unpacked; max_megabytes is {max_megabytes}") from error
        except BrokenError as error:
            raise NotUsedError(str(error)) from error

    def _refused(self, doing: str, error: Exception) -> NoReturn:
        from botocore.exceptions import ClientError

        handling = handling_of(error)
        code = f"{handling.kind} error {error_code(error)}: " if isinstance(error, ClientError) else ""
        missing = " Put right bucket." if error_code(error) == "NoSuchBucket" else ""
        text = f"{doing}: {code}{error}.{missing} {advice(handling, self._permissions)}"
        raise SourceError(text.rstrip(), retryable=handling.retryable) from error
