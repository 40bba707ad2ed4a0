"""The commands as people start them: demo in a pipe and on a terminal, run with one worker and with several."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.bot import load_bot
from config.settings import SAMPLE_BOT
from gateway.app.bench.processes import free_port
from nlp.models.process import Order, train
from nlp.models.versions import place_of

pytestmark = pytest.mark.system

SECRET = "s3cret-of-the-tests"
TERTULIA = (sys.executable, "-m", "gateway.app.cli")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample bot's model, trained once for all."""
    folder = tmp_path_factory.mktemp("trained") / "models"
    place = place_of(load_bot(SAMPLE_BOT).name)
    train(Order(url=str(folder), bot_folder=str(SAMPLE_BOT), place=place, by="tests", is_quick=True))
    return folder


@pytest.fixture
def home(trained: Path) -> Iterator[Path]:
    """A short folder with settings, data and models of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tert-"))
    shutil.copytree(trained, folder / "data" / "models", symlinks=True)
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if str(folder / "data" / "postgres") in (process.info["cmdline"] or []):
            process.send_signal(signal.SIGQUIT)
            process.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TERTULIA")}
    return kept | {"TERTULIA__DATA_DIR": str(home / "data"), "COLUMNS": "100", "LC_ALL": "es_ES.UTF-8"} | more


def demo(home: Path, typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TERTULIA, "demo", "--terminal"],
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(home),
    )


def test_demo_answers_what_comes_through_a_pipe_goes_on_next_time_and_ends_in_order(home: Path) -> None:
    first = demo(home, "hola\n1\n")
    assert (first.returncode, first.stderr) == (0, "")
    assert "intents · greet" in first.stdout
    assert "commands · balance" in first.stdout
    second = demo(home, "quiero hablar con una persona\n")
    assert (second.returncode, second.stderr) == (0, "")
    listed = subprocess.run(
        [*TERTULIA, "desk", "list", "--json"], capture_output=True, text=True, check=True, env=environment(home)
    )
    [case] = json.loads(listed.stdout)
    assert (case["contact_name"], case["control"]) == ("Ana", "queued")
    assert not (home / "data" / "postgres" / "postmaster.pid").exists()


def test_demo_ends_when_the_reader_of_its_output_leaves(home: Path) -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [*TERTULIA, "demo", "--terminal"],
        stdin=subprocess.PIPE,
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment(home),
    )
    os.close(write)
    os.read(read, 10)
    os.close(read)
    _, complaints = process.communicate(b"hola\n1\n", timeout=60)
    assert process.returncode == 1
    assert b"Traceback" not in complaints
    assert not (home / "data" / "postgres" / "postmaster.pid").exists()


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str]) -> None:
        self.output = ""
        primary, secondary = pty.openpty()
        self._file = primary
        self.process = subprocess.Popen(
            command,
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            env=env,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread runs in the tests' process
        )
        os.close(secondary)

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def wait_for(self, words: str, patience_s: float = 60) -> None:
        deadline = time.monotonic() + patience_s
        while words not in self.output:
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{self.output}"
            self._read(0.1)

    def end(self, patience_s: float = 30) -> int:
        deadline = time.monotonic() + patience_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        self._read(0)
        os.close(self._file)
        return self.process.wait(1)

    def _read(self, patience_s: float) -> None:
        ready, _, _ = select.select([self._file], [], [], patience_s)
        if ready:
            with contextlib.suppress(OSError):
                self.output += os.read(self._file, 65_536).decode(errors="replace")


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_demo_on_a_terminal_ends_with_ctrl_c_in_order(home: Path) -> None:
    terminal = Terminal((*TERTULIA, "demo", "--terminal"), environment(home, TERM="xterm"))
    terminal.wait_for("Ctrl-C")
    terminal.type("hola\n")
    terminal.wait_for("intents · greet")
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.output
    assert "Hasta luego" in terminal.output
    assert not (home / "data" / "postgres" / "postmaster.pid").exists()


class Running:
    """A ``tertulia run`` on a port of its own."""

    def __init__(self, home: Path, workers: int, **more: str) -> None:
        self.log = home / "log"
        self.port = 0
        env = environment(
            home,
            TERTULIA__SERVER__PORT="0",
            TERTULIA__CHANNELS__TELEGRAM__MAIN__TOKEN="123456:abcdefghijklmnopqrstuvwxyz012345678",
            TERTULIA__CHANNELS__TELEGRAM__MAIN__SECRET_TOKEN=SECRET,
            TERTULIA__CHANNELS__TELEGRAM__MAIN__API_URL="http://127.0.0.1:9",
            **more,
        )
        command = [*TERTULIA, "run", "--workers", str(workers)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        assert self.process.stdout is not None
        announced = self.process.stdout.readline()
        assert "serves http://127.0.0.1:" in announced, self.log.read_text()
        self.port = int(announced.split("127.0.0.1:")[1].split()[0])

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def post(self, update_id: int, secret: str = SECRET, path: str = "/webhooks/telegram/main") -> int:
        body = {"update_id": update_id, "message": {
            "message_id": update_id, "from": {"id": 7, "is_bot": False, "first_name": "Ana"},
            "chat": {"id": 7, "first_name": "Ana", "type": "private"}, "date": 1767225600, "text": "hola",
        }}  # fmt: skip
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"X-Telegram-Bot-Api-Secret-Token": secret},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    @property
    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "gateway.app.worker" in child.cmdline()]

    def wait_for_log(self, event: str, patience_s: float = 30) -> None:
        deadline = time.monotonic() + patience_s
        while f'"{event}"' not in self.log.read_text():
            assert time.monotonic() < deadline, f"{event} did not happen:\n{self.log.read_text()}"
            time.sleep(0.05)

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def test_run_takes_webhooks_and_ends_with_sigterm_in_order(home: Path) -> None:
    running = Running(home, 1)
    assert running.post(1) == 200
    assert running.post(2, secret="wrong") == 403
    assert running.workers == []
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()
    assert SECRET not in running.log.read_text()
    assert not (home / "data" / "postgres" / "postmaster.pid").exists()
    assert list((home / "data" / "run").iterdir()) == []


def test_killed_worker_is_replaced_and_its_leases_are_released(home: Path, dsn: str) -> None:
    running = Running(home, 2, TERTULIA__DATABASE__URL=dsn)
    first, other = running.workers
    first.kill()
    running.wait_for_log("dead_node_released")
    assert [running.post(number) for number in range(1, 5)] == [200] * 4
    assert other.is_running()
    assert running.stop() == 0
    assert not other.is_running()


def test_workers_of_a_killed_supervisor_stop_by_themselves(home: Path, dsn: str) -> None:
    running = Running(home, 2, TERTULIA__DATABASE__URL=dsn)
    workers = running.workers
    running.process.kill()
    running.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    assert running.log.read_text().count('"worker_stopped"') == 2
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_embedded_database_that_is_killed_under_a_running_gateway_comes_back(home: Path) -> None:
    running = Running(home, 1)
    pid = int((home / "data" / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    running.wait_for_log("embedded_postgres_restarted")
    deadline = time.monotonic() + 30
    while running.post(1) != 200:
        assert time.monotonic() < deadline
    assert running.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_one_wrong_endpoint_is_told_everywhere_and_does_not_stop_the_other(home: Path, dsn: str, workers: int) -> None:
    wrong = {"TERTULIA__CHANNELS__TELEGRAM__OTHER__TOKEN": "123456:abc"}
    running = Running(home, workers, TERTULIA__DATABASE__URL=dsn, **wrong)
    assert running.post(1) == 200
    assert running.post(2, path="/webhooks/telegram/other") == 404
    assert json.loads(running.get("/readyz"))["not_served"] == ["telegram.other"]
    token = (home / "data" / "token").read_text().strip()
    served = [line for line in running.get(f"/metrics?token={token}").splitlines() if "endpoint_served{" in line]
    assert {("other" in line, line.rpartition(" ")[2]) for line in served} == {(False, "1.0"), (True, "0.0")}
    assert running.stop() == 0
    log = running.log.read_text()
    assert log.count('"endpoint_not_served"') == 1
    assert "channels.telegram.other.secret_token: missing" in log


def test_run_without_any_channel_starts_and_says_so(home: Path, dsn: str) -> None:
    env = environment(home, TERTULIA__SERVER__PORT="0", TERTULIA__DATABASE__URL=dsn)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([*TERTULIA, "run"], stdout=subprocess.PIPE, stderr=log, text=True, env=env)
    assert process.stdout is not None
    with process.stdout:
        assert "serves http://127.0.0.1:" in process.stdout.readline()
        assert "no channel is configured" in process.stdout.readline()
        process.terminate()
        assert process.wait(60) == 0
    assert '"no_endpoint_configured"' in (home / "log").read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_run_ends_with_2_when_no_endpoint_can_be_served(home: Path, workers: str) -> None:
    unset = {"TERTULIA__CHANNELS__TELEGRAM__OTHER__TOKEN": "123456:abc"}
    env = environment(home, TERTULIA__SERVER__PORT=str(free_port()), **unset)
    command = [*TERTULIA, "run", "--workers", workers]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.strip() == "✗ channels.telegram.other.secret_token: missing; set it"


def test_chat_answers_what_comes_through_a_pipe_with_its_reasons(home: Path) -> None:
    finished = subprocess.run(
        [*TERTULIA, "chat"],
        input="quiero un paquete de datos\n2\nno, mejor el de 10 gigas\nsí\nuna jirafa violeta\nuna persona\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(home),
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    for said in (
        "¿Cuál quieres?",
        "5 GB por 15 días",
        "10 GB por 30 días",
        "tu paquete de 10 GB",
        "intents · data_packs",
    ):
        assert said in finished.stdout
    assert "→ a person is asked for" in finished.stdout
    assert not (home / "data" / "postgres").exists()


def test_train_makes_a_version_and_says_how_good_it_is(home: Path) -> None:
    runs = [
        subprocess.run(
            [*TERTULIA, "train", "--quick", "--json"], capture_output=True, text=True, check=True, env=environment(home)
        )
        for _ in range(2)
    ]
    first, second = (json.loads(finished.stdout) for finished in runs)
    assert (first["version"], second["version"]) == ("v0002", "v0003")
    assert first["examples"] > 500
    assert all(0 <= value <= 1 for name, value in first["metrics"].items() if "accuracy" in name)
    assert (home / "data/models/faro-movil/intent/v0003/manifest.json").is_file()
