"""A way to a broker that can be cut: what is sent meanwhile waits, as in an interrupted network.

Connections stay open, as TCP keeps them. Who connects meanwhile gets no answer, and does not reach
the broker afterwards either, as if his packets had been lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
from collections.abc import Iterator
from multiprocessing.synchronize import Event as ProcessEvent

from tools.broker import HOST, free_port, listens

_CONTEXT = multiprocessing.get_context("spawn")
_POLL_S = 0.02
_READ_BYTES = 2**16
_BACKLOG = 2048


@contextlib.contextmanager
def cuttable_network(broker_port: int) -> Iterator[tuple[int, ProcessEvent]]:
    """Forward a port to a broker for as long as the block lasts.

    Yields:
        The port, and an event: the network is there while it is set.
    """
    port, is_there = free_port(), _CONTEXT.Event()
    is_there.set()
    process = _CONTEXT.Process(target=_run, args=(port, broker_port, is_there), daemon=True)
    process.start()
    try:
        if not listens(lambda: process.exitcode, port):
            raise SystemExit(f"the way to the broker does not open on port {port}")
        yield port, is_there
    finally:
        process.terminate()
        process.join(10)


def _run(port: int, broker_port: int, is_there: ProcessEvent) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forward_all(port, broker_port, is_there))


async def _forward_all(port: int, broker_port: int, is_there: ProcessEvent) -> None:
    is_open = asyncio.Event()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if not is_open.is_set():
                await reader.read()  # until he gives up
                return
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection(HOST, broker_port)
                with contextlib.closing(back):
                    pipes = (_pipe(reader, back), _pipe(there, writer))
                    tasks = [asyncio.create_task(pipe) for pipe in pipes]
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in tasks:
                        task.cancel()

    async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                await is_open.wait()
                writer.write(data)
                await writer.drain()
            await is_open.wait()

    server = await asyncio.start_server(
        connect, HOST, port, backlog=_BACKLOG, family=socket.AF_INET
    )
    async with server:
        while True:
            (is_open.set if is_there.is_set() else is_open.clear)()
            await asyncio.sleep(_POLL_S)
