"""What goes wrong at the Airflow edge, each with the evidence and the next step."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk.exceptions import AirflowFailException


class PermanentError(AirflowFailException):
    """The same fails again until somebody mends what the message says. Airflow does not try the task again."""


class ChangesFailedError(Exception):
    """Some changes of a chunk failed, or it is not known what became of them.

    :param failed: ``target: reason`` of each change the provider refused for good.
    :param unknown: ``target: reason`` of each change whose call may or may not have gone through.
    """

    def __init__(self, *, failed: Sequence[str], unknown: Sequence[str]) -> None:
        self.failed = tuple(failed)
        self.unknown = tuple(unknown)
        parts = []
        if failed:
            parts.append(f"{len(failed)} failed for good: " + "; ".join(failed))
        if unknown:
            parts.append(
                f"{len(unknown)} could not be completed and are tried again (then left to setpoint.reconcile): "
                + "; ".join(unknown)
            )
        super().__init__(". ".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        return (_changes_failed, (self.failed, self.unknown))


def _changes_failed(failed: Sequence[str], unknown: Sequence[str]) -> ChangesFailedError:
    return ChangesFailedError(failed=failed, unknown=unknown)


class ChangesFailedForGoodError(ChangesFailedError, AirflowFailException):
    """Some changes of a chunk failed for good, and all others have ended. Airflow does not try the task again."""

    def __init__(self, *, failed: Sequence[str]) -> None:
        super().__init__(failed=failed, unknown=())

    def __reduce__(self) -> tuple[object, ...]:
        return (_changes_failed_for_good, (self.failed,))


def _changes_failed_for_good(failed: Sequence[str]) -> ChangesFailedForGoodError:
    return ChangesFailedForGoodError(failed=failed)


class RunFailedError(AirflowFailException):
    """A run did not do all it set out to do; the message lists what failed. Closing it again would not help."""
