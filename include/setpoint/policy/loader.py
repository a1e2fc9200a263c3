"""Policy files: read, checked, every problem of every file at once.

A file with a mistake is refused on its own; the others are loaded.
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from setpoint.policy.diagnose import diagnose
from setpoint.policy.problems import PolicyError, Problem
from setpoint.policy.schema import Policy
from setpoint.policy.yaml_text import MAX_BYTES, UnreadableError, read_yaml

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy and the file it came from."""

    path: Path
    policy: Policy
    sha256: str
    """Of the file's bytes: which version of the policy this is."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder of policy files holds."""

    policies: tuple[LoadedPolicy, ...] = ()
    """Sorted by file name."""
    broken: dict[Path, tuple[Problem, ...]] = field(default_factory=dict)
    """The files that are refused, each with every problem found in it."""

    def named(self, name: str) -> LoadedPolicy | None:
        """The policy of that name, or ``None``."""
        return next((one for one in self.policies if one.policy.name == name), None)


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was read last."""

    stamp: tuple[int, int]
    content: LoadedPolicy | tuple[Problem, ...]
    name_place: tuple[int, int] = (1, 1)


_known: dict[Path, _Known] = {}
_lock = threading.Lock()


def load_policy(path: Path) -> LoadedPolicy:
    """Read and check one policy file.

    :raises PolicyError: it is refused; the error has every problem found.
    """
    content = _load(path).content
    if isinstance(content, LoadedPolicy):
        return content
    raise PolicyError(content)


def load_policies(directory: Path) -> Loaded:
    """Read and check every policy file (``*.yaml``, ``*.yml``; not hidden ones) in a folder, not in its subfolders.

    A file is read again only when its size or modification time changed, so that asking often costs one look at the
    folder. Of two files with the same policy name the second, by file name, is refused.

    :raises PolicyError: the folder itself cannot be read.
    """
    policies: list[LoadedPolicy] = []
    broken: dict[Path, tuple[Problem, ...]] = {}
    by_name: dict[str, LoadedPolicy] = {}
    for path in policy_files(directory):
        known = _load(path)
        if not isinstance(known.content, LoadedPolicy):
            broken[path] = known.content
        elif (first := by_name.get(known.content.policy.name)) is not None:
            broken[path] = (_taken(known, known.content, first),)
        else:
            by_name[known.content.policy.name] = known.content
            policies.append(known.content)
    return Loaded(tuple(policies), broken)


def policy_files(directory: Path) -> list[Path]:
    """The policy files of a folder, sorted by name.

    :raises PolicyError: the folder cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file()
            )
    except OSError as error:
        raise PolicyError([_unreadable(directory, error)]) from error
    return [directory / name for name in names]


def _load(path: Path) -> _Known:
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        with _lock:
            known = _known.get(path)
        if known is None or known.stamp != stamp:
            known = _read(path, stamp)
            with _lock:
                _known[path] = known
    except OSError as error:
        return _Known((0, 0), (_unreadable(path, error),))
    return known


def _read(path: Path, stamp: tuple[int, int]) -> _Known:
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        return _Known(stamp, (_whole(path, f"the file is larger than {MAX_BYTES // 1024} KiB"),))
    try:
        document = read_yaml(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        shown = raw[error.start : error.start + 1].hex()
        message = f"byte 0x{shown} is not UTF-8; save the file as UTF-8"
        return _Known(stamp, (Problem(file=path, line=line, column=column, message=message),))
    except UnreadableError as error:
        mark = error.flaw.mark
        return _Known(stamp, (Problem(file=path, line=mark.line, column=mark.column, message=error.flaw.message),))
    policy, problems = diagnose(path, document)
    if policy is None:
        return _Known(stamp, problems)
    return _Known(stamp, LoadedPolicy(path, policy, hashlib.sha256(raw).hexdigest()), document.place(("name",)))


def _taken(known: _Known, content: LoadedPolicy, first: LoadedPolicy) -> Problem:
    line, column = known.name_place
    return Problem(
        file=content.path,
        line=line,
        column=column,
        path="name",
        value=f'"{content.policy.name}"',
        message=f"{first.path.name} has this name already",
        allowed="a name no other policy in the folder has",
    )


def _unreadable(path: Path, error: OSError) -> Problem:
    return _whole(path, f"cannot be read: {error.strerror or error}")


def _whole(path: Path, message: str) -> Problem:
    return Problem(file=path, line=1, column=1, message=message)
