"""A training leaves the processor to whoever serves beside it, and the keyboard to whoever ordered it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import psutil
import pytest

from config.bot import load_bot
from config.settings import SAMPLE_BOT
from gateway.app.bench.audit import became
from nlp.models.process import NICE, Order, train_in_process
from nlp.models.versions import place_of

pytestmark = pytest.mark.system


def _trainers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "nlp.models.process" in child.cmdline()]


async def _is_training() -> bool:
    return bool(_trainers())


async def test_it_stands_back_from_all_sessions_hears_no_ctrl_c_and_ends_with_its_order(tmp_path: Path) -> None:
    place = place_of(load_bot(SAMPLE_BOT).name)
    order = Order(url=str(tmp_path), bot_folder=str(SAMPLE_BOT), place=place, by="t", is_quick=True)
    training = asyncio.create_task(train_in_process(order))
    try:
        assert await became(_is_training, 10, every_s=0.01)
        await asyncio.sleep(0.05)  # it was begun, and a moment later put back
        (trainer,) = _trainers()
        assert trainer.nice() == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        assert os.getsid(trainer.pid) == trainer.pid
        shares = Path(f"/proc/{trainer.pid}/autogroup")
        if Path("/proc/sys/kernel/sched_autogroup_enabled").exists():
            assert shares.read_text().endswith(f" nice {trainer.nice()}\n")
    finally:
        training.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await training
    assert _trainers() == []
