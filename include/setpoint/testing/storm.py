"""A storm of messages with a known answer: what each must become, so that a balance can be drawn afterwards."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from setpoint.ledger.records import Accounting


@dataclass(frozen=True)
class Storm:
    """Messages in the order in which they are to be sent, and how many of them are what.

    :param wanted: each an event of its own, which a policy wants.
    :param duplicate: repetitions of a wanted one, as messages of their own.
    :param rejected: what nobody can read, or no policy has.
    :param unwanted: what is read, and nobody wants.
    """

    bodies: tuple[str, ...]
    wanted: int
    duplicate: int
    rejected: int
    unwanted: int

    def disagreements(self, books: Accounting) -> list[str]:
        """Where the ledger's account is not what was sent; empty when it balances to zero.

        :param books: the account of the storm's messages, after everything has ended.
        """
        evaluated = books.acted_on + books.coalesced
        told = {
            "receipts": (books.receipts, len(self.bodies)),
            "acted on or coalesced": (evaluated, self.wanted),
            "duplicate": (books.duplicate, self.duplicate),
            "rejected": (books.rejected, self.rejected),
            "unwanted": (books.unwanted, self.unwanted),
            "too old, below count, failed or waiting": (
                books.too_old + books.below_count + books.failed + books.waiting,
                0,
            ),
            "unaccounted": (books.missing, 0),
        }
        return [f"{name}: {found} instead of {sent}" for name, (found, sent) in told.items() if found != sent]


def make_storm(messages: int, policies: Sequence[str], *, name: str = "storm", seed: int = 7) -> Storm:
    """Make a storm: of a hundred messages 72 events, 15 repetitions, 8 rejects and 5 unwanted ones, in mixed order.

    :param messages: how many; at least 20.
    :param policies: the policies the events are for; each takes plain JSON messages.
    :param name: goes into the events' ids, so that two storms are different ones.
    """
    chance = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret
    duplicate, rejected, unwanted = messages * 15 // 100, messages * 8 // 100, messages * 5 // 100
    wanted = messages - duplicate - rejected - unwanted
    events = [
        json.dumps(
            {"policy": policies[number % len(policies)], "id": f"{name}-{number}", "summary": f"{name} {number}"}
        )
        for number in range(wanted)
    ]
    others = [
        *(chance.choice(events) for _ in range(duplicate)),
        *(_bad(name, number) for number in range(rejected)),
        *(_stray(name, number) for number in range(unwanted)),
    ]
    bodies = events + others
    chance.shuffle(bodies)
    return Storm(tuple(bodies), wanted, duplicate, rejected, unwanted)


def _bad(name: str, number: int) -> str:
    bad = (
        f"{name} {number} is not JSON {{{{ 7 * 7 }}}}",
        json.dumps({"surprise": f"{name}-{number}"}),
        json.dumps({"policy": "no-such-policy", "id": f"{name}-bad-{number}"}),
    )
    return bad[number % len(bad)]


def _stray(name: str, number: int) -> str:
    """An EventBridge event, which no policy of the storm listens to."""
    return json.dumps(
        {
            "version": "0",
            "id": f"{name}-stray-{number}",
            "detail-type": "Nobody Listens",
            "source": "tests.storm",
            "account": "123456789012",
            "time": "2026-03-01T12:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            "detail": {"number": number},
        }
    )
