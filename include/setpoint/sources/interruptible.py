"""Running coroutines from code that is not asynchronous, and that a signal may interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on an event loop of its own; nothing it started outlives this call.

    What a signal's handler raises meanwhile (Airflow's time limit of a task is such an exception) comes out, also where
    asyncio would only log it: in the middle of a callback.

    :param work: waits for the tasks it starts, as a ``TaskGroup`` does.
    :raises RuntimeError: an event loop runs in this thread already.
    """
    interrupts: list[BaseException] = []

    async def watched() -> T:
        main, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert main is not None

        def heed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, BaseException) and not isinstance(error, Exception):
                interrupts.append(error)
                main.cancel()
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(heed)
        return await work

    try:
        with asyncio.Runner() as runner:
            return runner.run(watched())
    except asyncio.CancelledError:
        if interrupts:
            raise interrupts[0] from None
        raise
    finally:
        work.close()
