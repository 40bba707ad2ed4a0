"""Versions of models: whole or invisible, numbered once, checked when they are read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import Misconfigured, Unavailable
from nlp.models.versions import Description, ModelPlace, ModelVersions, place_of

PLACE = ModelPlace("shop", "intent")
FILES = {"model.json": b'{"a": 1}', "weights.npz": bytes(range(256)) * 100}
ABOUT = Description(fingerprint="f1", trained_at="2026-01-01T00:00:00+00:00", metrics={"accuracy": 0.9})


@pytest.fixture(params=["folder", "memory"])
def versions(request: pytest.FixtureRequest, tmp_path: Path) -> ModelVersions:
    return ModelVersions(str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}-{os.getpid()}")


def test_what_was_stored_is_read_as_it_was_written(versions: ModelVersions) -> None:
    first, second = versions.put(PLACE, FILES, ABOUT), versions.put(PLACE, {"a.bin": b""}, ABOUT)
    assert (first.version, second.version) == ("v0001", "v0002")
    manifest, files = versions.read(PLACE, "v0001")
    assert files == FILES
    assert manifest == first
    assert manifest.about.metrics == {"accuracy": 0.9}
    assert versions.names(PLACE) == ["v0001", "v0002"]
    assert [each.version for each in versions.manifests(PLACE)] == ["v0001", "v0002"]


def test_each_bot_and_task_has_versions_of_its_own(versions: ModelVersions) -> None:
    versions.put(PLACE, FILES, ABOUT)
    for other in (ModelPlace("shop", "sentiment"), ModelPlace("bank", "intent")):
        assert versions.names(other) == []
        assert versions.put(other, FILES, ABOUT).version == "v0001"


def test_the_newest_version_of_the_same_examples_is_found(versions: ModelVersions) -> None:
    for fingerprint in ("f1", "f2", "f1"):
        versions.put(PLACE, FILES, msgspec.structs.replace(ABOUT, fingerprint=fingerprint))
    found = versions.by_fingerprint(PLACE, "f1")
    assert found is not None
    assert found.version == "v0003"
    assert versions.by_fingerprint(PLACE, "f3") is None


def test_of_the_same_examples_one_that_asks_a_service_is_passed_over(versions: ModelVersions) -> None:
    versions.put(PLACE, FILES, msgspec.structs.replace(ABOUT, settings={"encoder": "minilm"}))
    remote = versions.put(PLACE, FILES, msgspec.structs.replace(ABOUT, settings={"encoder": "titan:m"}))
    assert remote.encoder == "titan:m"
    found = versions.by_fingerprint(PLACE, "f1")
    assert found is not None
    assert (found.version, found.encoder) == ("v0001", "minilm")
    for_files = ModelPlace("shop", "topic")
    versions.put(for_files, FILES, remote.about)
    found = versions.by_fingerprint(for_files, "f1")
    assert found is not None


def test_what_was_removed_is_gone_and_its_number_is_never_given_again(versions: ModelVersions) -> None:
    for _ in range(3):
        versions.put(PLACE, FILES, ABOUT)
    versions.remove(PLACE, "v0001")
    versions.remove(PLACE, "v0003")
    assert versions.names(PLACE) == ["v0002"]
    for version in ("v0001", "v0003", "v0009"):
        with pytest.raises(Misconfigured, match="is not there"):
            versions.read(PLACE, version)
        with pytest.raises(Misconfigured, match="is not there"):
            versions.remove(PLACE, version)
    assert versions.put(PLACE, FILES, ABOUT).version == "v0004"
    assert versions._numbered(PLACE) == ["v0002", "v0004"]
    with pytest.raises(Misconfigured, match="no version"):
        versions.remove(PLACE, "../..")


@pytest.mark.parametrize("written", ["model.json", "weights.npz", "manifest.json"])
def test_a_writer_that_is_killed_leaves_nothing_that_could_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    versions = ModelVersions(str(tmp_path))
    write = versions._write

    def die(path: str, content: bytes) -> None:
        if path.endswith(written):
            Path(f"{path}.part").write_bytes(content[: len(content) // 2])
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(versions, "_write", die)
    with pytest.raises(KeyboardInterrupt):
        versions.put(PLACE, FILES, ABOUT)
    monkeypatch.undo()
    assert versions.names(PLACE) == []
    with pytest.raises(Misconfigured, match=r"manifest\.json is not there"):
        versions.read(PLACE, "v0001")
    assert versions.put(PLACE, FILES, ABOUT).version == "v0002"


def test_what_was_begun_long_ago_and_never_finished_is_swept_away(tmp_path: Path) -> None:
    versions = ModelVersions(str(tmp_path))
    old, young = tmp_path / "shop/intent/v0001", tmp_path / "shop/intent/v0002"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "claim").touch()
    os.utime(old / "claim", (1, 1))
    versions.put(PLACE, FILES, ABOUT)
    assert not old.exists()
    assert young.exists()
    assert versions.names(PLACE) == ["v0003"]


def test_many_who_store_at_once_get_a_number_each(tmp_path: Path) -> None:
    versions = ModelVersions(str(tmp_path))
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(versions.put(PLACE, FILES, ABOUT).version)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == len(versions.names(PLACE)) == 8
    for name in got:
        assert versions.read(PLACE, name)[1] == FILES


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [_truncate, _flip, _remove])
@pytest.mark.parametrize("name", ["weights.npz", "model.json"])
def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path, damage: Callable[[Path], None], name: str) -> None:
    versions = ModelVersions(str(tmp_path))
    versions.put(PLACE, FILES, ABOUT)
    damage(tmp_path / "shop/intent/v0001" / name)
    with pytest.raises(Misconfigured, match=rf"v0001.*{name}"):
        versions.read(PLACE, "v0001")


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (b"", "not understood"),
        (b"[1]", "not understood"),
        (b'{"format": 9}', "has format 9, this release reads format 1"),
        (b'{"format": 1}', "not understood"),
        (b"\xff\x00", "not understood"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_clearly(tmp_path: Path, manifest: bytes, complaint: str) -> None:
    versions = ModelVersions(str(tmp_path))
    versions.put(PLACE, FILES, ABOUT)
    (tmp_path / "shop/intent/v0001/manifest.json").write_bytes(manifest)
    with pytest.raises(Misconfigured, match=complaint):
        versions.manifest(PLACE, "v0001")
    assert versions.manifests(PLACE) == []


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    versions = ModelVersions(str(tmp_path))
    manifest = versions.put(PLACE, FILES, ABOUT)
    files = {"../../secret": manifest.files["model.json"]}
    path = tmp_path / "shop/intent/v0001/manifest.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, files=files)))
    with pytest.raises(Misconfigured, match="names a file"):
        versions.read(PLACE, "v0001")


def test_a_version_that_was_moved_to_another_number_is_refused(tmp_path: Path) -> None:
    versions = ModelVersions(str(tmp_path))
    versions.put(PLACE, FILES, ABOUT)
    (tmp_path / "shop/intent/v0001").rename(tmp_path / "shop/intent/v0005")
    with pytest.raises(Misconfigured, match="belongs to shop/intent/v0001"):
        versions.read(PLACE, "v0005")


@pytest.mark.parametrize("version", ["", "7", "v7", "latest", "v0001/../v0002", "v00010000000000"])
def test_what_names_no_version_is_refused(versions: ModelVersions, version: str) -> None:
    with pytest.raises(Misconfigured, match="is no version"):
        versions.manifest(PLACE, version)


def test_a_storage_that_is_away_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises((Unavailable, Misconfigured)):
        ModelVersions(str(tmp_path / "models")).put(PLACE, FILES, ABOUT)


def test_an_address_that_nothing_understands_names_the_setting() -> None:
    with pytest.raises(Misconfigured, match=r"models\.url"):
        ModelVersions("nonsense://bucket/models")


@pytest.mark.parametrize(
    ("name", "folder"), [("Faro Móvil", "faro-movil"), ("shop", "shop"), ("A  B!", "a-b"), ("Ñandú 2", "nandu-2")]
)
def test_a_bot_s_folder_is_its_name_in_plain_letters(name: str, folder: str) -> None:
    assert place_of(name).bot == folder


def test_names_that_plain_letters_cannot_tell_apart_stay_apart() -> None:
    names = ["茶館", "咖啡", "бот", "бот 2", "\ud800", "", "../..", "x" * 500]
    folders = {place_of(name).bot for name in names}
    assert len(folders) == len(names)
    assert all("/" not in folder and ".." not in folder and len(folder) < 64 for folder in folders)


@pytest.mark.parametrize("task", ["", "..", "a/b", "Topic", "x" * 65])
def test_a_task_that_could_be_no_folder_is_refused(task: str) -> None:
    with pytest.raises(Misconfigured, match="is no task"):
        place_of("shop", task)
