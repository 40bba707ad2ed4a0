"""Operators learn of an account in trouble: what is counted, examined and kept, in a real database."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channels.discovery import discover, read_settings
from channels.specimen import specimen_of
from gateway.app.account_board import AccountBoard
from gateway.app.checkup import Checkups, Examined, examine
from gateway.core.channel import EndpointSettings, Finding
from gateway.core.clock import SystemClock
from gateway.core.ids import AccountId
from gateway.core.metrics import Metrics
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.pulse import Pulse
from gateway.store.accounts import register_accounts
from gateway.store.database import Database
from gateway.store.kept import KeptValues

pytestmark = pytest.mark.system


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = Database(dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def endpoints(database: Database) -> Endpoints:
    channel = discover()["telegram"]
    settings = read_settings(channel, "main", specimen_of("telegram").settings_values)
    specs = channel.accounts(settings)
    [account] = await register_accounts(database, "telegram", "main", specs)
    return Endpoints([OpenAccount(account, specs[0], channel, settings, Patient())])  # type: ignore[arg-type]


class Patient:
    """A client whose provider always finds the same."""

    def __init__(self) -> None:
        self.asked = 0

    async def doctor(self, _public_url: str) -> list[Finding]:
        self.asked += 1
        return [Finding("bad", "the token was withdrawn", about="credentials"), Finding("ok", "all else")]


async def write_habit(database: Database, account: AccountId, last_heard: timedelta) -> None:
    async with database.lane().transaction() as connection:
        await connection.execute(
            """INSERT INTO account_hour SELECT $1, generate_series(
                   date_trunc('hour', now() - interval '20 days', 'UTC'),
                   date_trunc('hour', now() - $2::interval, 'UTC'), interval '1 hour'), 5""",
            account,
            last_heard,
        )
        await connection.execute("INSERT INTO account_pulse VALUES ($1, now() - $2::interval)", account, last_heard)


async def test_an_account_that_is_silent_against_its_habit_is_told_and_heard_again(
    database: Database, endpoints: Endpoints
) -> None:
    metrics = Metrics()
    board = AccountBoard(metrics)
    pulse = Pulse(database, endpoints, SystemClock(), board.tell_vitals)
    [entry] = endpoints.all()
    await write_habit(database, entry.account.id, timedelta(hours=9))
    await pulse.look()
    assert board.in_trouble == 1
    name = {"account": "telegram.main.bot"}
    assert metrics.registry.get_sample_value("tertulia_account_silent", name) == 1
    assert metrics.registry.get_sample_value("tertulia_account_well", name) == 0
    pulse.heard([entry.account.id, entry.account.id])
    await pulse.flush()
    await pulse.look()
    assert board.in_trouble == 0
    assert metrics.registry.get_sample_value("tertulia_account_silent", name) == 0
    async with database.lane().transaction() as connection:
        assert await connection.fetchval("SELECT received FROM account_hour ORDER BY hour DESC LIMIT 1") == 2


async def test_what_was_counted_while_the_database_was_away_is_not_lost(
    endpoints: Endpoints, database: Database
) -> None:
    pulse = Pulse(database, endpoints, SystemClock(), lambda _: None)
    [entry] = endpoints.all()
    pulse.heard([entry.account.id])
    async with database.lane().transaction() as connection:
        await connection.execute("ALTER TABLE account_hour RENAME TO away")
    with pytest.raises(Exception, match="account_hour"):
        await pulse.flush()
    async with database.lane().transaction() as connection:
        await connection.execute("ALTER TABLE away RENAME TO account_hour")
    await pulse.flush()
    async with database.lane().transaction() as connection:
        assert await connection.fetchval("SELECT received FROM account_hour") == 1


async def test_two_processes_examine_an_endpoint_once_in_its_time_and_both_know_the_findings(
    database: Database,
) -> None:
    boards = [AccountBoard(Metrics()), AccountBoard(Metrics())]
    patient = Patient()
    endpoint = Examined("telegram.main", patient, EndpointSettings(), "")  # type: ignore[arg-type]
    steps = [Checkups(database, [endpoint], 3600, board.tell_checkups) for board in boards]
    for checkups in steps:
        await checkups.step()
    assert patient.asked == 0, "a minute passes first"
    async with database.lane().transaction() as connection:
        await connection.execute("UPDATE checkup SET due_at = now()")
    for checkups in (*steps, steps[0]):
        await checkups.step()
    assert patient.asked == 1
    for board in boards:
        [report] = board.details()["endpoints"]  # type: ignore[misc]
        assert report.findings == (Finding("bad", "the token was withdrawn", about="credentials"),)


async def test_what_a_client_keeps_is_found_by_another_process(database: Database, dsn: str) -> None:
    await KeptValues(database, "twilio.main").put("layout", "HX1")
    await KeptValues(database, "twilio.main").put("layout", "HX2")
    other = Database(dsn)
    assert await KeptValues(other, "twilio.main").get("layout") == "HX2"
    assert await KeptValues(other, "twilio.other").get("layout") == ""
    await other.close()


async def test_a_certificate_that_nobody_trusts_is_found(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "chain.pem").write_bytes(chain)
    context.load_cert_chain(tmp_path / "chain.pem")
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        found = await examine(
            Examined("x.y", Patient(), EndpointSettings(), f"https://127.0.0.1:{port}/webhooks/x/y")  # type: ignore[arg-type]
        )
    finally:
        server.close()
    assert [(finding.level, finding.about) for finding in found if finding.about == "certificate"] == [
        ("bad", "certificate")
    ]
