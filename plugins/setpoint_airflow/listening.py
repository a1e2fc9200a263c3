"""Which policies this process can wake: those whose trigger listens to a stream here.

Two triggerers may read one queue, and each has the triggers of some of its policies. Whoever takes a message in wakes
those policies that listen here; for the others it leaves word in the ledger, where their own stream finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

_listening: dict[Hashable, Counter[str]] = {}


@contextmanager
def listening(stream: Hashable, policy: str) -> Iterator[None]:
    """While inside, the policy's trigger listens to a stream.

    :param stream: the key that the stream's triggers share.
    """
    here = _listening.setdefault(stream, Counter())
    here[policy] += 1
    try:
        yield
    finally:
        here[policy] -= 1


def listeners(stream: Hashable) -> frozenset[str]:
    """The policies that listen to a stream in this process."""
    return frozenset(policy for policy, number in _listening.get(stream, Counter()).items() if number > 0)
