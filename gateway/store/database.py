"""Connections to PostgreSQL: lanes for the hot statements, an SQLAlchemy engine for everything else.

Libraries' errors stop here: callers see ``Unavailable`` when the database is away, and PostgreSQL's own errors
only where they are a member's fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.core.errors import TertuliaError, Unavailable

HOT_SETTINGS = {
    # PostgreSQL guesses ten rows for an array parameter and knows nothing of fresh tables: without these the
    # set-oriented statements fall into sequential scans and grow slower with every row stored.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}

SESSION_SETTINGS = {
    "application_name": "tertulia",
    # A process that freezes between two statements would hold its rows' locks, and so everybody else, until it
    # wakes. Far below the leases' time, far above what lies between two statements of a living process.
    "idle_in_transaction_session_timeout": "5s",
}

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
)
"""The database cannot take it now, whoever asks: nobody's data is at fault."""

HALF_CLOSED = asyncpg.InternalClientError
"""What the client says of a statement on a connection whose end it has heard of and not yet seen."""

PASSING = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


def is_away(error: BaseException) -> bool:
    """Whether the error is everybody's: a batch is not split for it."""
    return isinstance(error, Unavailable)


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may well succeed when tried again."""
    return isinstance(error, PASSING)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what says that the database is away into ``Unavailable``."""
    try:
        yield
    except TertuliaError:
        raise
    except AWAY as error:
        raise Unavailable(f"the database cannot be reached ({type(error).__name__})") from error
    except PoolTimeoutError as error:
        raise Unavailable(
            "every connection of the pool is in use; database.pool_max says how many there are"
        ) from error
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig else None
        if error.connection_invalidated or isinstance(cause, (*AWAY, asyncpg.InterfaceError, HALF_CLOSED)):
            raise Unavailable("the database cannot be reached") from error
        raise


class Lane:
    """One connection for one stream of transactions, made when needed and again after it broke.

    A pool would reset the connection after each use; a lane's one user leaves nothing behind to reset.
    """

    def __init__(
        self,
        dsn: str,
        *,
        timeout_s: float,
        connect_timeout_s: float,
        cached_statements: int,
        settings: dict[str, str],
    ) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._cached_statements = cached_statements
        self._settings = settings
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for one statement, which is a transaction by itself: a third of the way to the database."""
        async with self._used(begins=False) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction; committed at the end, rolled back on any error. One at a time."""
        async with self._used(begins=True) as connection:
            yield connection

    @asynccontextmanager
    async def _used(self, *, begins: bool) -> AsyncIterator[asyncpg.Connection]:
        async with self._lock:
            with storage_errors():
                connection = await self._connected()
                is_clean = False
                try:
                    async with asyncio.timeout(self._timeout_s):
                        if begins:
                            await connection.execute("BEGIN")
                        yield connection
                        if begins:
                            await connection.execute("COMMIT")
                    is_clean = True
                except (asyncpg.InterfaceError, HALF_CLOSED) as error:
                    if connection.is_closed() or isinstance(error, HALF_CLOSED):
                        raise Unavailable("the connection to the database broke") from error
                    raise
                except (asyncpg.PostgresError, TertuliaError):
                    if begins:
                        await self._roll_back(connection)
                    is_clean = not connection.is_closed()
                    raise
                finally:
                    if not is_clean:
                        self._drop()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=2)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, HALF_CLOSED):
                connection.terminate()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=self._connect_timeout_s,
                command_timeout=self._timeout_s,
                statement_cache_size=self._cached_statements,
                server_settings=self._settings,
            )
        return self._connection

    async def _roll_back(self, connection: asyncpg.Connection) -> None:
        try:
            await connection.execute("ROLLBACK", timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, HALF_CLOSED):
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _is_open(dbapi_connection: Any) -> bool:
    """Whether one of the engine's connections can be used still."""
    return not dbapi_connection.driver_connection.is_closed()


class Database:
    """Where lanes and the engine come from."""

    def __init__(
        self,
        dsn: str,
        *,
        timeout_s: float = 10.0,
        connect_timeout_s: float = 5.0,
        engine_size: int = 4,
        engine_most: int = 8,
        cached_statements: int = 100,
    ) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._cached_statements = cached_statements
        self._lanes: list[Lane] = []
        self._engine_size = engine_size
        self._engine_most = max(engine_size, engine_most)
        self._engine: AsyncEngine | None = None

    @property
    def dsn(self) -> str:
        return self._dsn

    def lane(self) -> Lane:
        """A lane with the planner's settings for set-oriented statements."""
        settings = {**HOT_SETTINGS, **SESSION_SETTINGS}
        lane = Lane(
            self._dsn,
            timeout_s=self._timeout_s,
            connect_timeout_s=self._connect_timeout_s,
            cached_statements=self._cached_statements,
            settings=settings,
        )
        self._lanes.append(lane)
        return lane

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for statements that are not hot, in SQLAlchemy Core."""
        if self._engine is None:
            self._engine = create_async_engine(
                "postgresql+asyncpg://",
                async_creator=self._connect,
                pool_size=self._engine_size,
                max_overflow=self._engine_most - self._engine_size,
                pool_timeout=self._timeout_s,
                pool_pre_ping=True,
            )
            # Whether the server is gone shows when the connection closes, as in a lane: to ask it would cost three
            # ways to it before every transaction.
            self._engine.sync_engine.dialect.do_ping = _is_open  # type: ignore[method-assign]
        with storage_errors():
            async with self._engine.begin() as connection:
                yield connection

    async def ping(self) -> None:
        """Raise ``Unavailable`` unless the database answers and can be written."""
        async with self.begin() as connection:
            result = await connection.exec_driver_sql("SELECT pg_is_in_recovery()")
            if result.scalar_one():
                raise Unavailable("the database is a read-only standby")

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.close()
        if self._engine is not None:
            await self._engine.dispose()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn,
            timeout=self._connect_timeout_s,
            command_timeout=self._timeout_s,
            statement_cache_size=self._cached_statements,
            server_settings=SESSION_SETTINGS,
        )
