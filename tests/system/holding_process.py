"""A process that takes a desk's event in hand and never lets go of it: a test kills it.

    python holding_process.py <dsn> <node> <claim_s>

It prints a line when it has one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from desk_side import side_of
from played_desk import PlayedDesk

from gateway.core.desks import DeskEvent


async def hold(dsn: str, node: int, claim_s: float) -> None:
    desk = PlayedDesk()

    async def never(_one: DeskEvent) -> None:
        sys.stdout.write("in hand\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    desk.on_apply = never
    async with side_of(dsn, desk, node=node, claim_s=claim_s) as side:
        while True:
            await side.inbox.step()
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
