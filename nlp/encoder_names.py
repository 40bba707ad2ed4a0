"""How sentence encoders are named, without what opens them: commands and manifests must be quick to read."""

from __future__ import annotations

from pathlib import Path

MINILM = "minilm"
FOLDER = "folder:"
ENDPOINT = "openai:"
TITAN = "titan:"

FORMS = f"{MINILM}, {FOLDER}PATH, {ENDPOINT}BASE_URL#MODEL or {TITAN}MODEL"


def asks_a_service(name: str) -> bool:
    """Whether the encoder of that name waits for the network: such a model never serves a customer's turn."""
    return name.startswith((ENDPOINT, TITAN))


def named_for_good(name: str) -> str:
    """The name as a model keeps it: a folder means the same wherever the model is opened."""
    return f"{FOLDER}{Path(name.removeprefix(FOLDER)).absolute()}" if name.startswith(FOLDER) else name
