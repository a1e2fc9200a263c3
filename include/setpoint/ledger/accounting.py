"""What became of every message: counted once each, and nothing left over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, case, func, select

from setpoint.ledger.records import Accounting
from setpoint.ledger.store import Store
from setpoint.ledger.tables import DeliveryRow, ReceiptRow

_EVALUATED = ("acted", "held", "quarantined")

# A message may have gone to several policies, and counts once: as open while one of them has not ended, else as the
# most that came of it. In this order.
_RANKS = ("waiting", "acted_on", "coalesced", "failed", "too_old", "below_count")


class Books(Store):
    """The balance of the inbox."""

    def accounting(self, since: datetime, *, source: str | None = None) -> Accounting:
        """What became of every message received since a moment.

        :param source: only messages from there, such as a queue's URL; all when it is left out.
        """
        rank = case(
            (DeliveryRow.state.in_(("counting", "waiting", "taken")), 0),
            (and_(DeliveryRow.state.in_(_EVALUATED), ~DeliveryRow.joined), 1),
            (DeliveryRow.state.in_(_EVALUATED), 2),
            (DeliveryRow.state == "failed", 3),
            (DeliveryRow.state == "too_old", 4),
            (DeliveryRow.state == "below_count", 5),
        )
        each = (
            select(ReceiptRow.receipt_id, ReceiptRow.fate, func.min(rank).label("rank"))
            .join(DeliveryRow, DeliveryRow.receipt_id == ReceiptRow.receipt_id, isouter=True)
            .where(ReceiptRow.received_at >= since)
            .group_by(ReceiptRow.receipt_id, ReceiptRow.fate)
        )
        if source is not None:
            each = each.where(ReceiptRow.source == source)
        one = each.subquery()
        query = select(one.c.fate, one.c.rank, func.count().label("receipts")).group_by(one.c.fate, one.c.rank)
        counts: dict[str, int] = {}
        total = 0
        with self._database.read() as connection:
            for row in connection.execute(query):
                total += row.receipts
                name = row.fate if row.fate != "accepted" else None if row.rank is None else _RANKS[row.rank]
                if name is not None:
                    counts[name] = counts.get(name, 0) + row.receipts
        return Accounting(since=since, receipts=total, **counts)
