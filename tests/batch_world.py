"""Inputs, a small model and jobs for the tests of batch."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

import config
from nlp.batch.job import Job, ModelRef, Reading, Understanding
from nlp.batch.models import locate
from nlp.batch.places import find_sources
from nlp.batch.plan import Plan, make_plan
from nlp.batch.records import Rejected, Row, read_rows
from nlp.intents.storage import pack
from nlp.intents.training import fit
from nlp.models.versions import Description, ModelPlace, ModelVersions
from nlp.training_data import Example, TrainingData

TELECOM = Path(config.__file__).parent / "bots" / "telecom"
PLACE = ModelPlace("telecom", "intent")
SAID = {
    "greet": ("hola", "buenos días", "hi there", "good morning", "qué tal", "hello"),
    "bill": ("cuánto debo", "quiero mi factura", "how much do I owe", "send me the bill", "la cuenta", "my invoice"),
    "outage": ("no tengo internet", "se cayó la red", "no signal here", "internet is down", "sin señal", "no line"),
}
NO_MODEL = ModelRef(task="intent", url="nowhere", bot="telecom", version="v0001", fingerprint="f00d")


def store_model(folder: Path, place: ModelPlace = PLACE) -> ModelVersions:
    """A model of three intents, as `train` stores it."""
    versions = ModelVersions(str(folder))
    examples = tuple(Example(text, intent) for intent, said in SAID.items() for text in said)
    info, weights = fit(TrainingData(examples), datetime(2026, 11, 21, tzinfo=UTC))
    versions.put(place, pack(info, weights), Description(fingerprint=info.fingerprint, trained_at=info.trained_at))
    return versions


def job(output: Path | str, versions: ModelVersions | None = None, **changes: object) -> Job:
    """A job of the sample bot; *changes* are fields of it or of its reading."""
    understanding = Understanding(
        bot_folder=str(TELECOM),
        bot_version="1",
        languages=("es", "en"),
        time_zone="America/Bogota",
        at="2026-11-21T12:00",
    )
    model = NO_MODEL if versions is None else locate(versions, PLACE)
    reading = Reading(**{name: changes.pop(name) for name in list(changes) if name in Reading.__struct_fields__})
    made = Job(output=str(output), models=(model,), understanding=understanding, reading=reading)
    return msgspec.structs.replace(made, **changes)


def write_chats(path: Path) -> Path:
    """600 texts in lines of JSON; two of them cannot be read."""
    said = [text for texts in SAID.values() for text in texts]
    lines = [msgspec.json.encode({"id": n, "text": f"{said[n % len(said)]} {n % 50}"}) for n in range(600)]
    lines[100], lines[500] = b"{", b'{"text": ""}'
    path.write_bytes(b"\n".join(lines))
    return path


def parts(folder: Path) -> dict[str, bytes]:
    """The result's files and their content."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*")) + sorted(folder.glob("_rejected/*"))}


def planned(path: Path | str, **changes: object) -> Plan:
    """The plan for a file or folder."""
    return make_plan(job("out", **changes), find_sources(str(path)).sources)


def rows_of(path: Path, **changes: object) -> list[Row | Rejected]:
    """All rows of a file, read partition by partition."""
    reading = job("out", **changes).reading
    return [row for partition in planned(path, **changes).partitions for row in read_rows(partition, reading)]


def reasons(rows: list[Row | Rejected]) -> dict[int, str]:
    """Why which rows were put aside."""
    return {row.number: row.reason for row in rows if isinstance(row, Rejected)}


def texts(rows: list[Row | Rejected]) -> list[str]:
    return [row.text for row in rows if isinstance(row, Row)]
