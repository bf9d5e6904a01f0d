"""Connections kept for requests to come: how many there are, which are used again, which never."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bakeoff.engines import connections
from bakeoff.engines.connections import FRESH_NS, IDLE_NS, STAYED_NS, Connections
from bakeoff.engines.reply import Ended
from bakeoff.engines.transport import Connection, HttpRequest
from bakeoff.errors import ServerUnreachable
from tests.servers import Received, chunked, run, serving


def ports_of(use: Callable[[Connections], Awaitable[None]], *, closes: bool = False) -> list[int]:
    """The client's port of each request that a server got: equal ones came over one connection."""
    ports: list[int] = []

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        ports.append(writer.get_extra_info("peername")[1])
        writer.write(chunked(b"data: [DONE]\n\n"))
        await writer.drain()
        if closes:
            writer.close()

    async def main() -> None:
        async with serving(answer) as (url, _):
            pool = Connections(url)
            await use(pool)
            await pool.close()

    run(main())
    return ports


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the connections take for the time: it stands still but for what a test adds."""
    now = [0]
    monkeypatch.setattr(connections, "now_ns", lambda: now[0])
    return now


async def ask(pool: Connections) -> Connection:
    async with pool.one() as connection:
        events = [event async for event in connection.exchange(HttpRequest("/", b"{}"), "sse")]
    assert isinstance(events[-1], Ended)
    return connection


def test_requests_one_by_one_have_a_connection_of_their_own() -> None:
    async def use(pool: Connections) -> None:
        for _ in range(3):
            await ask(pool)

    assert len(set(ports_of(use))) == 3


def test_a_connection_that_stays_open_behind_its_answer_is_used_again_and_again(clock: list[int]) -> None:
    async def use(pool: Connections) -> None:
        await pool.ready(1)
        await ask(pool)
        clock[0] += STAYED_NS
        for _ in range(3):
            await ask(pool)

    assert len(set(ports_of(use))) == 1


def test_no_connection_is_used_again_until_one_was_seen_to_stay_open(clock: list[int]) -> None:
    async def use(pool: Connections) -> None:
        await pool.ready(1)
        await ask(pool)
        clock[0] += STAYED_NS - 1
        await ask(pool)

    assert len(set(ports_of(use))) == 2


@pytest.mark.parametrize("pause_ns", [0, STAYED_NS, FRESH_NS, IDLE_NS, 2 * IDLE_NS])
def test_behind_a_server_that_closes_each_connection_none_is_used_again(clock: list[int], pause_ns: int) -> None:
    async def use(pool: Connections) -> None:
        await pool.ready(1)
        first = await ask(pool)
        async with asyncio.timeout(10):
            while first.usable:  # noqa: ASYNC110 (the server's end of it is not ours to wait for)
                await asyncio.sleep(0)
        for _ in range(3):
            clock[0] += pause_ns
            await ask(pool)

    assert len(set(ports_of(use, closes=True))) == 4


def test_a_third_request_at_once_gets_a_connection_that_is_closed_after_it() -> None:
    async def use(pool: Connections) -> None:
        await pool.ready(2)
        used = await asyncio.gather(ask(pool), ask(pool), ask(pool))
        assert sum(each.usable for each in used) == 2

    assert len(set(ports_of(use))) == 3


def test_a_connection_that_has_been_idle_for_long_is_not_trusted(clock: list[int]) -> None:
    async def use(pool: Connections) -> None:
        await pool.ready(1)
        first = await ask(pool)
        clock[0] += FRESH_NS
        await ask(pool)
        assert not first.usable

    assert len(set(ports_of(use))) == 2


def test_those_that_are_being_opened_are_not_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    open_one = Connection.open

    async def counting(url: str) -> Connection:
        opened.append(url)
        return await open_one(url)

    monkeypatch.setattr(Connection, "open", counting)

    async def use(pool: Connections) -> None:
        await asyncio.gather(*(pool.ready(count) for count in range(1, 6)))
        assert len(opened) == 5

    ports_of(use)


def test_none_is_kept_after_the_load() -> None:
    async def use(pool: Connections) -> None:
        await pool.ready(2)
        used = await ask(pool)
        await pool.ready(0)
        assert not used.usable

    ports_of(use)


def test_a_server_that_is_not_there_is_said_to_be_unreachable() -> None:
    with pytest.raises(ServerUnreachable):
        run(Connections("http://127.0.0.1:1").ready(3))
