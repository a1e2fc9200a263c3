"""Running coroutines that a signal may interrupt."""

from __future__ import annotations

import asyncio
import threading

import pytest

from setpoint.sources.http_session import Http, HttpSession
from setpoint.sources.interruptible import run_interruptibly


class Interruption(BaseException):
    """What a signal's handler raises."""


async def forever() -> None:
    await asyncio.Event().wait()


def test_what_the_work_returns_and_raises_comes_out() -> None:
    """As if it were called."""

    async def works() -> int:
        return 7

    async def fails() -> None:
        raise ValueError("no")

    assert run_interruptibly(works()) == 7
    with pytest.raises(ValueError, match="no"):
        run_interruptibly(fails())


def test_an_interrupt_in_a_callback_comes_out() -> None:
    """asyncio only logs what a callback raises; a task's time limit must not end like that."""

    async def works() -> None:
        def interrupted() -> None:
            raise Interruption

        asyncio.get_running_loop().call_soon(interrupted)
        await forever()

    with pytest.raises(Interruption):
        run_interruptibly(works())


def test_an_interrupt_in_a_step_of_some_task_comes_out() -> None:
    """Whichever piece of work was running when the signal came, and though others wait for ever."""

    async def interrupted(http: Http) -> None:
        raise Interruption

    async def waits(http: Http) -> None:
        await forever()

    with pytest.raises(Interruption):
        HttpSession("http://127.0.0.1:1").gather([waits, interrupted])


def test_nothing_goes_on_afterwards() -> None:
    """Tasks that were begun are cancelled, and the loop's own threads end."""
    cancelled = []

    async def lasts() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def works() -> None:
        task = asyncio.create_task(lasts())
        await asyncio.to_thread(lambda: None)
        assert not task.done()

    before = set(threading.enumerate())
    run_interruptibly(works())
    assert (cancelled, set(threading.enumerate()) - before) == ([True], set())
