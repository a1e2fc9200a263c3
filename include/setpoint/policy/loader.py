"""Policy files: read, checked, every problem of every file at once.

A file with a mistake is refused on its own; the others are loaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from setpoint.policy.diagnose import diagnose
from setpoint.policy.problems import PolicyError, Problem, closest, show, some
from setpoint.policy.schema import Policy
from setpoint.policy.yaml_text import MAX_BYTES, UnreadableError, read_yaml

MOST_PROBLEMS = 200
"""Problems reported of one file: a file that is not a policy at all could have thousands."""
SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


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
    folder. Of two files with the same policy name one is refused: the one that is not called ``<name>.yaml``, or else
    the second by file name.

    :raises PolicyError: the folder itself cannot be read.
    """
    return load_files(policy_files(directory))


def load_files(paths: Iterable[Path]) -> Loaded:
    """Read and check policy files together; see :func:`load_policies`."""
    broken: dict[Path, tuple[Problem, ...]] = {}
    valid: list[tuple[_Known, LoadedPolicy]] = []
    for path in paths:
        known = _load(path)
        if isinstance(known.content, LoadedPolicy):
            valid.append((known, known.content))
        else:
            broken[path] = known.content
    by_name: dict[str, LoadedPolicy] = {}
    for known, loaded in sorted(valid, key=lambda one: not _is_named_after(one[1])):
        first = by_name.setdefault(loaded.policy.name, loaded)
        if first is not loaded:
            broken[loaded.path] = (_taken(known, loaded, first),)
    policies = sorted(by_name.values(), key=lambda loaded: loaded.path.name)
    return Loaded(tuple(policies), dict(sorted(broken.items())))


def policy_named(name: str, directory: Path) -> LoadedPolicy:
    """Read one policy by its name. Only its own file is read when that is called ``<name>.yaml``.

    :raises PolicyError: there is no such policy, or its file is refused; the error has every problem found.
    """
    own_path = directory / f"{name}.yaml"
    # A name from outside never becomes a path unless it can be a policy's name.
    if _NAME.fullmatch(name) and own_path.is_file():
        own = _load(own_path).content
        if not isinstance(own, LoadedPolicy):
            raise PolicyError(own)
        if own.policy.name == name:
            return own
    loaded = load_policies(directory)
    if (found := loaded.named(name)) is not None:
        return found
    names = [one.policy.name for one in loaded.policies]
    problem = _whole(directory, "no policy has this name").model_copy(
        update={
            "path": "name",
            "value": show(name),
            "allowed": some(names) or "nothing: no file in this folder holds a valid policy",
            "suggestion": closest(name, names),
        }
    )
    raise PolicyError([problem, *(problem for problems in loaded.broken.values() for problem in problems)])


def _is_named_after(loaded: LoadedPolicy) -> bool:
    return loaded.path.name == f"{loaded.policy.name}.yaml"


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
        return _Known(stamp, _first(problems))
    return _Known(stamp, LoadedPolicy(path, policy, hashlib.sha256(raw).hexdigest()), document.place(("name",)))


def _first(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    if len(problems) <= MOST_PROBLEMS:
        return problems
    shown, rest = problems[:MOST_PROBLEMS], problems[MOST_PROBLEMS:]
    message = f"and {len(rest)} more problems from here on; mend the ones above first"
    return (*shown, Problem(file=rest[0].file, line=rest[0].line, column=rest[0].column, message=message))


def _taken(known: _Known, content: LoadedPolicy, first: LoadedPolicy) -> Problem:
    line, column = known.name_place
    return Problem(
        file=content.path,
        line=line,
        column=column,
        path="name",
        value=show(content.policy.name),
        message=f"{first.path.name} has this name already",
        allowed="a name no other policy in the folder has",
    )


def _unreadable(path: Path, error: OSError) -> Problem:
    return _whole(path, f"cannot be read: {error.strerror or error}")


def _whole(path: Path, message: str) -> Problem:
    return Problem(file=path, line=1, column=1, message=message)
