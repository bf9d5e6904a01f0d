"""The timing transport against a real server on loopback: order, framing, faults. Times are never judged here."""

from __future__ import annotations

import asyncio
import socket
import ssl

import msgspec
import pytest
import trustme

from bakeoff.engines import wires
from bakeoff.engines.framing import FramingName
from bakeoff.engines.reply import Ended, Message, Timeouts
from bakeoff.engines.stamping import may_stamp
from bakeoff.engines.transport import Connection, HttpRequest, Sent
from bakeoff.errors import BakeoffError, BrokenReply, ServerRefused, ServerSilent, ServerUnreachable
from tests.servers import HEAD, Answer, Loops, Received, chunked, run, saying, serving, sized

KERNEL = [False, pytest.param(True, marks=pytest.mark.skipif(not may_stamp(), reason="Linux only"))]
ASK = HttpRequest("/v1/chat", b'{"stream": true}')


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def each_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of this file, on both event loops."""
    factory = None if request.param == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    monkeypatch.setattr(Loops, "factory", factory)


async def ask(
    answer: Answer, *, kernel_time: bool = False, messages: FramingName = "sse", timeouts: Timeouts | None = None
) -> list[Sent | Message | Ended]:
    async with serving(answer) as (url, _):
        connection = await Connection.open(url, kernel_time=kernel_time, timeouts=timeouts)
        try:
            return [item async for item in connection.exchange(ASK, messages)]
        finally:
            await connection.close()


def data_of(items: list[Sent | Message | Ended]) -> list[bytes]:
    return [item.data for item in items if isinstance(item, Message)]


@pytest.mark.parametrize("kernel_time", KERNEL)
def test_a_stream_gives_sent_then_messages_then_ended_in_the_order_of_time(kernel_time: bool) -> None:
    items = run(ask(saying(chunked(b"data: a\n\n"), b"", b""), kernel_time=kernel_time))
    assert isinstance(items[0], Sent)
    assert data_of(items) == [b"a"]
    assert isinstance(items[-1], Ended)
    assert items[-1].clock == ("kernel" if kernel_time else "user")
    assert [item.at_ns for item in items] == sorted(item.at_ns for item in items)


@pytest.mark.parametrize("kernel_time", KERNEL)
@pytest.mark.parametrize(
    "reply",
    [
        chunked(b"data: \xc3", b"\xa4\n", b"\ndata: b\n\n"),
        sized(b"data: \xc3\xa4\n\ndata: b\n\n"),
        HEAD + b"connection: close\r\n\r\ndata: \xc3\xa4\n\ndata: b\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(b"data: \xc3\xa4\n\ndata: b\n\n"),
    ],
    ids=["chunked", "content-length", "close-delimited", "after an interim reply"],
)
def test_every_kind_of_body_is_read_whole_a_byte_at_a_time(kernel_time: bool, reply: bytes) -> None:
    pieces = [reply[i : i + 1] for i in range(len(reply))]
    items = run(ask(saying(*pieces, close=b"close" in reply), kernel_time=kernel_time))
    assert [data.decode() for data in data_of(items)] == ["ä", "b"]


def test_messages_of_one_read_share_one_stamp() -> None:
    items = run(ask(saying(chunked(b"data: a\n\ndata: b\n\n"))))
    stamps = {item.at_ns for item in items if isinstance(item, Message)}
    assert len(stamps) == 1


def test_json_lines_are_cut_as_they_come() -> None:
    items = run(ask(saying(chunked(b'{"a":1}\n{"b"', b":2}\n")), messages="ndjson"))
    assert data_of(items) == [b'{"a":1}', b'{"b":2}']


def test_one_connection_carries_several_exchanges() -> None:
    async def main() -> tuple[list[list[bytes]], int]:
        async with serving(saying(chunked(b"data: a\n\n"))) as (url, seen):
            connection = await Connection.open(url)
            replies = [data_of([item async for item in connection.exchange(ASK, "sse")]) for _ in range(3)]
            assert connection.usable
            await connection.close()
            return replies, len(seen)

    assert run(main()) == ([[b"a"]] * 3, 3)


def test_the_request_carries_method_path_headers_and_body() -> None:
    async def main() -> Received:
        async with serving(saying(chunked(b"data: a\n\n"))) as (url, seen):
            connection = await Connection.open(f"{url}/base/")
            request = HttpRequest("/v1/x", b"{}", headers={"authorization": "Bearer k"})
            async for _ in connection.exchange(request, "sse"):
                pass
            await connection.close()
            return seen[0]

    received = run(main())
    assert (received.method, received.path, received.body) == ("POST", "/base/v1/x", b"{}")
    assert received.headers["authorization"] == "Bearer k"
    assert received.headers["accept-encoding"] == "identity"


def test_leaving_a_stream_early_closes_the_connection_so_that_the_server_stops() -> None:
    async def main() -> bool:
        gone = asyncio.Event()

        async def endless(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n")
            try:
                while True:
                    writer.write(b"9\r\ndata: a\n\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0)
            finally:
                gone.set()

        async with serving(endless) as (url, _):
            connection = await Connection.open(url)
            stream = connection.exchange(ASK, "sse")
            async for item in stream:
                if isinstance(item, Message):
                    break
            await stream.aclose()  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                await gone.wait()
            return connection.usable

    assert run(main()) is False


FAULTS: list[tuple[str, Answer, type[BakeoffError], str]] = [
    ("404", saying(sized(b'{"error": {"message": "no model x"}}', b"404 Not Found")), ServerRefused, "404: no model x"),
    ("html error", saying(sized(b"<h1>\x1b[31mBad</h1>", b"502 Bad Gateway")), ServerRefused, "502: <h1>Bad</h1>"),
    ("redirect", saying(sized(b"", b"301 Moved\r\nlocation: http://b/")), ServerRefused, "redirects to http://b/"),
    ("closed before", saying(close=True), BrokenReply, "before it answered"),
    ("closed early", saying(chunked(b"data: a\n\n", end=False), close=True), BrokenReply, "in the middle"),
    ("too short", saying(HEAD + b"content-length: 99\r\n\r\nx", close=True), BrokenReply, "in the middle"),
    ("not http", saying(b"SSH-2.0-OpenSSH_9.2\r\n", close=True), BrokenReply, "not HTTP/1.1"),
    ("bad chunk", saying(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"), BrokenReply, "not HTTP/1.1"),
]


@pytest.mark.parametrize("kernel_time", KERNEL)
@pytest.mark.parametrize(("answer", "kind", "words"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_way_a_server_fails_is_a_sentence(
    answer: Answer, kind: type[BakeoffError], words: str, kernel_time: bool
) -> None:
    with pytest.raises(kind, match=words):
        run(ask(answer, kernel_time=kernel_time))


def test_what_came_before_a_fault_is_given_first() -> None:
    async def main() -> list[bytes]:
        got = []
        async with serving(saying(chunked(b"data: a\n\n", end=False), close=True)) as (url, _):
            connection = await Connection.open(url)
            with pytest.raises(BrokenReply):
                async for item in connection.exchange(ASK, "sse"):
                    if isinstance(item, Message):
                        got.append(item.data)
        return got

    assert run(main()) == [b"a"]


def test_a_server_that_never_answers_is_given_up() -> None:
    async def silent(_: Received, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ServerSilent, match=r"0\.05 s after the request"):
        run(ask(silent, timeouts=Timeouts(first_byte_s=0.05)))


def test_a_server_that_falls_silent_is_given_up() -> None:
    async def stops(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"data: a\n\n", end=False))
        await writer.drain()
        await asyncio.Event().wait()

    with pytest.raises(ServerSilent, match="after its last byte"):
        run(ask(stops, timeouts=Timeouts(silence_s=0.05)))


@pytest.mark.parametrize("kernel_time", KERNEL)
def test_a_refused_connection_names_the_address_and_what_to_do(kernel_time: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ServerUnreachable, match=rf"127\.0\.0\.1:{port}.*refused.*--url"):
        run(Connection.open(f"http://127.0.0.1:{port}", kernel_time=kernel_time))


def test_tls_is_spoken_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main() -> list[bytes]:
        async with serving(saying(chunked(b"data: a\n\n")), context) as (url, _):
            with pytest.raises(ServerUnreachable, match="secure connection"):
                await Connection.open(url)
            with authority.cert_pem.tempfile() as pem:
                monkeypatch.setenv("SSL_CERT_FILE", pem)
                connection = await Connection.open(url)
            items = [item async for item in connection.exchange(ASK, "sse")]
            await connection.close()
            return data_of(items)

    assert run(main()) == [b"a"]


def test_a_step_of_the_real_time_clock_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = iter([1_000_000_000, 1_005_000_000])
    monkeypatch.setattr("bakeoff.engines.reply.realtime_offset_ns", lambda: next(offsets))
    items = run(ask(saying(chunked(b"data: a\n\n"))))
    assert isinstance(items[-1], Ended)
    assert items[-1].clock_step_ns == 5_000_000


@pytest.mark.skipif(not may_stamp(), reason="Linux only")
def test_kernel_time_orders_the_tokens_of_a_server_that_logs_its_sends() -> None:
    """Each send is logged; its receive stamp lies after it and before the next send."""

    async def main() -> None:
        from bakeoff.clock import now_ns

        sends: list[int] = []
        taken = asyncio.Semaphore(0)

        async def logged(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            for number in range(20):
                event = b"data: %d\n\n" % number
                sends.append(now_ns())
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
                await writer.drain()
                await taken.acquire()
            writer.write(b"0\r\n\r\n")

        async with serving(logged) as (url, _):
            connection = await Connection.open(url, kernel_time=True)
            stamps = []
            async for item in connection.exchange(ASK, "sse"):
                if isinstance(item, Message):
                    stamps.append(item.at_ns)
                    taken.release()
            await connection.close()
        slack_ns = 200_000  # the mapping between the two clocks
        assert all(sent - slack_ns <= got for sent, got in zip(sends, stamps, strict=True))
        assert all(got <= after + slack_ns for got, after in zip(stamps, sends[1:], strict=False))

    run(main())


def test_a_request_struct_is_plain_data() -> None:
    assert msgspec.to_builtins(ASK)["method"] == "POST"


@pytest.mark.skipif(not may_stamp(), reason="Linux only")
def test_a_request_counts_as_sent_when_it_is_handed_over_however_late_we_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, send = [5_000], socket.socket.send

    def late(self: socket.socket, data: bytes) -> int:
        sent = send(self, data)
        if data.startswith(b"POST"):
            clock[0] += 30_000_000  # another program had the processor, and the server its answer ready
        return sent

    monkeypatch.setattr(wires, "now_ns", lambda: clock[0])
    monkeypatch.setattr(socket.socket, "send", late, raising=False)
    sent, *_ = run(ask(saying(sized(b"data: a\n\n")), kernel_time=True))
    assert isinstance(sent, Sent)
    assert sent.at_ns == 5_000
