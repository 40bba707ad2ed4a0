"""A worker for the supervisor's tests: does what its orders' ``config`` says, instead of serving."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

orders = json.loads(sys.stdin.buffer.readline())
folder = Path(orders["config"])
with (folder / "starts").open("a") as starts:
    starts.write(f"{os.getpid()}\n")
if (folder / "refuse").exists():
    sys.exit(3)
os.write(1, b"ready\n")
sys.stdin.buffer.read()  # the lifeline: ends when the supervisor is gone
(folder / "ended-by-lifeline").write_text("yes")
