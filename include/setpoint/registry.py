"""Where the implementations of each contract are found.

A room's registry maps a name to a lazy import string, ``module:Class``. Built-in names stand in one line each in the
room's ``__init__``; other distributions add theirs through an entry point in the registry's group. Looking a name up
imports that one module and no other.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class ExtensionError(ImportError):
    """A registered implementation cannot be loaded."""


class UnknownNameError(LookupError):
    """A name that no implementation is registered under."""


class Registry:
    """Names and the implementations behind them, for one contract.

    :param group: the entry-point group other distributions register in, such as ``setpoint.sources``.
    :param contract: attributes every implementation must have; checked when one is loaded.
    :param builtin: our own, as ``{name: "module:Class"}``.
    """

    def __init__(self, group: str, contract: tuple[str, ...], builtin: Mapping[str, str]) -> None:
        self.group = group
        self._contract = contract
        self._builtin = dict(builtin)
        self._loaded: dict[str, type[Any]] = {}

    @cached_property
    def _external(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in entry_points(group=self.group):
            if entry.name in self._builtin or entry.name in found:
                raise ExtensionError(
                    f"{self.group}: {_origin(entry)} registers {entry.name!r}, but that name is taken already; "
                    "rename the entry point"
                )
            found[entry.name] = entry
        return found

    def names(self) -> tuple[str, ...]:
        """Every registered name, sorted."""
        return tuple(sorted({*self._builtin, *self._external}))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._external

    def load(self, name: str) -> type[Any]:
        """The class registered under a name.

        :raises UnknownNameError: nothing is registered under it; the message suggests what may have been meant.
        :raises ExtensionError: its module cannot be imported, or it lacks a part of the contract.
        """
        if name not in self._loaded:
            self._loaded[name] = self._import(name)
        return self._loaded[name]

    def _import(self, name: str) -> type[Any]:
        if name in self._builtin:
            target, origin = self._builtin[name], "setpoint"
        elif name in self._external:
            target, origin = self._external[name].value, _origin(self._external[name])
        else:
            close = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise UnknownNameError(f"{self.group}: nothing is registered as {name!r}{hint} Known: {', '.join(self)}")
        module, _, attribute = target.partition(":")
        try:
            loaded = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ExtensionError(
                f"{self.group}: {name!r} from {origin} ({target}) cannot be loaded: {error}"
            ) from error
        missing = [part for part in self._contract if not hasattr(loaded, part)]
        if missing:
            raise ExtensionError(f"{self.group}: {name!r} from {origin} ({target}) lacks {', '.join(missing)}")
        assert isinstance(loaded, type)
        return loaded


def _origin(entry: EntryPoint) -> str:
    return f"distribution {entry.dist.name!r}" if entry.dist else "an unknown distribution"
