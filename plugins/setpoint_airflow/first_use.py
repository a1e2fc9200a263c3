"""Loading a module when something of it is used, however early somebody imports it.

The standard library's ``importlib.util.LazyLoader`` does this too, and loads a module as soon as it is imported a
second time, because it counts the import system's look at ``__spec__`` as a use.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

_LOADING = threading.RLock()
_BEGUN = "begun"


class _OnFirstUse(ModuleType):
    """A module that is empty until it is asked for something; from then on an ordinary one, and the same object."""

    def __getattr__(self, name: str) -> Any:
        with _LOADING:
            spec: Any = self.__spec__
            # Begun already: by this thread, which asks while the module's own imports run.
            if type(self) is _OnFirstUse and spec.loader_state is None:
                self._load(spec)
        if type(self) is _OnFirstUse:
            raise AttributeError(f"partially initialized module {self.__name__!r} has no attribute {name!r}")
        return getattr(self, name)

    def _load(self, spec: Any) -> None:
        spec.loader_state = _BEGUN
        if spec.submodule_search_locations is not None:
            self.__path__ = spec.submodule_search_locations
        try:
            spec.loader.exec_module(self)
        except BaseException:  # whatever a module's own code raises, an exit too; it goes on as it came
            spec.loader_state = None  # the next use tries again, as the next import would
            raise
        self.__class__ = ModuleType  # type: ignore[assignment]  # from here on an ordinary module


def load_on_first_use(name: str) -> None:
    """Let a module be loaded on first use. Nothing happens when it is loaded already, or cannot be found.

    :param name: its full name; of ``scipy.stats``, the package ``scipy`` is imported.
    """
    if name in sys.modules:
        return
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # its package is not there
        return
    if spec is None or spec.loader is None or name in sys.modules:
        return
    module = importlib.util.module_from_spec(spec)
    # Without it, whoever imports a module below this one asks for it, and has this one loaded first.
    vars(module).pop("__path__", None)
    module.__class__ = _OnFirstUse
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    if package:
        setattr(sys.modules[package], last, module)
