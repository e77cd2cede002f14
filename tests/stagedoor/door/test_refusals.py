"""How a refusal leaves: what it says, and that its client can read it."""

import asyncio
from typing import Any

import pytest

from stagedoor._door.limits import DoorLimits
from tests.stagedoor.door.conftest import Served, answers_in, serving
from tests.stagedoor.door.requests import CHUNKED, CLOSE, END, POST, H, answering, body, connected, get, start

SECRET = {
    "user information": b"GET http://user:secret@a/x HTTP/1.1\r\n" + H + END,
    "user information in 1.0": b"GET http://user:secret@a/x HTTP/1.0\r\n\r\n",
    "a host in front of it": b"GET http://a@secret/x HTTP/1.1\r\n" + H + END,
    "a host in front of it in 1.0": b"GET http://a@secret/x HTTP/1.0\r\n\r\n",
    "a host and a port in front of it": b"GET http://a:80@secret/x HTTP/1.1\r\n" + H + END,
    "an address in front of it": b"GET http://[::1]@secret/x HTTP/1.0\r\n\r\n",
    "a host in front of it, and no path": b"GET http://a@secret HTTP/1.0\r\n\r\n",
    "nothing but a sign": b"GET http://a@?secret HTTP/1.0\r\n\r\n",
    "a fragment": b"GET http://a#secret HTTP/1.1\r\n" + H + END,
    "no path": b"GET http://user:secret@a HTTP/1.1\r\n" + H + END,
    "another scheme": b"GET ftp://user:secret@a/x HTTP/1.1\r\n" + H + END,
    "authority form": b"CONNECT user:secret@a:443 HTTP/1.1\r\n" + H + END,
    "no host": b"GET http:///x HTTP/1.1\r\n" + H + END,
    "no host in 1.0": b"GET http:///x HTTP/1.0\r\n\r\n",
    "no port": b"GET http://:::99999999/x HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("case", SECRET)
async def test_t15_user_information_is_refused_and_never_repeated(door: Served, case: str) -> None:
    """B4, RFC 9110 4.2.4: nothing before the path is said again, and what is no authority goes no further."""
    raw = await door.raw(SECRET[case])

    assert raw.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert b"secret" not in raw
    assert door.seen == []


async def test_an_absolute_target_is_accepted_in_both_versions() -> None:
    """RFC 9112 3.2.2; the list of hosts holds for it where there is no Host (T22)."""
    async with serving(limits=DoorLimits(hosts=frozenset({"a"}))) as door:
        answers = [
            (await door.ask(request))[0].status
            for request in (
                b"GET http://a/x HTTP/1.1\r\n" + H + CLOSE,
                b"GET http://a/x HTTP/1.0\r\n\r\n",
                b"GET http://b/x HTTP/1.0\r\n\r\n",
            )
        ]

    assert answers == [200, 200, 421]


async def test_a_wellformed_request_id_is_kept_in_a_refusal(door: Served) -> None:
    """Tracing: the client's own id names its refusal too."""
    (answer,) = await door.ask(b"GET / HTTP/1.1\r\nX-Request-ID: mine-1\r\n\r\n")

    assert answer.field(b"x-request-id") == b"mine-1"
    assert answer.json()["request_id"] == "mine-1"


@pytest.mark.parametrize(
    ("lines", "said"),
    [(b"x-request-id: a\r\nx-request-id: b\r\n", b"b"), (b"x-request-id: a b\r\n", b"fresh")],
)
async def test_the_last_request_id_counts_as_it_does_behind_the_door(
    door: Served, lines: bytes, said: bytes
) -> None:
    """One rule, whoever answers."""
    (answer,) = await door.ask(b"GET / HTTP/1.1\r\n" + lines + b"Host: a b\r\n\r\n")

    assert answer.field(b"x-request-id") == said


async def test_h10_the_instance_of_a_refusal_is_the_path(door: Served) -> None:
    """H10: the path without the query, which may hold secrets."""
    (answer,) = await door.ask(b"GET /a/b?token=x HTTP/1.1\r\n\r\n")

    assert answer.json()["instance"] == "/a/b"


async def test_a_refused_head_request_gets_no_body(door: Served) -> None:
    """RFC 9110 9.3.2: HEAD is answered without content, also when refused."""
    raw = await door.raw(b"HEAD / HTTP/1.1\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 400 ")
    assert raw.endswith(b"\r\n\r\n")


async def test_a_kept_connection_serves_one_request_after_another(door: Served) -> None:
    """Keep-alive, with bodies between."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for number in range(3):
        writer.write(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" % number)
        head = await reader.readuntil(b"\r\n\r\n")
        (answer,) = answers_in(
            head + await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
        )
        assert (answer.json()["path"], answer.json()["body"]) == (f"/{number}", "abc")
        assert answer.field(b"connection") is None
    writer.close()


async def test_a_client_that_still_sends_gets_its_refusal(door: Served) -> None:
    """RFC 9112 9.6: the answer is not lost to a reset, though the client goes on writing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(50):
        writer.write(b"x" * 20_000)
    raw = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert raw.startswith(b"HTTP/1.1 400 ")


LAST = {
    "close": get(),
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "kept in 1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "body": POST + b"Content-Length: 3\r\n" + CLOSE + b"abc",
}


@pytest.mark.parametrize("more", [b"\r\n", b"x" * 1_000_000], ids=["two octets", "many"])
@pytest.mark.parametrize("case", LAST, ids=lambda case: case.replace(" ", "_"))
async def test_a_client_that_sends_more_gets_its_last_answer_whole(case: str, more: bytes) -> None:
    """B8, RFC 9112 9.6: octets behind the last request must not reset the connection under its answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 3_000_000))

    async with serving(app) as door:
        client = await connected(door)
        client.send(LAST[case])
        await asyncio.sleep(0.02)
        sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(client, more))
        await asyncio.sleep(0.02)
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        await sending
        writer.close()

    assert (answer.status, len(answer.body)) == (200, 3_000_000)


EARLY = {
    "of the request that is answered": (b"", 3_000_000),
    "of one that nobody serves any more": (b"GET /1 HTTP/1.1\r\n" + H + END, 3),
}


@pytest.mark.parametrize("case", EARLY, ids=lambda case: case.replace(" ", "_"))
async def test_a_client_that_sends_before_it_reads_gets_its_last_answer(case: str) -> None:
    """B8: the rest of a body is taken and dropped, or both sides would wait for each other."""
    before, size = EARLY[case]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await answering(scope, receive, send, start(200, (b"connection", b"close")), body(b"x" * size))

    async with serving(app) as door:
        client = await connected(door)
        raw = before + POST + b"Content-Length: 8000000\r\n\r\n" + b"x" * 8_000_000
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(client, raw), 30)
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        writer.close()

    assert (answer.complete, len(answer.body)) == (True, size)


async def test_a_body_that_breaks_under_a_whole_answer_does_not_cut_it_off() -> None:
    """Nobody reads that body any more; it breaks off, or does not arrive in time."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 6_000_000))

    async with serving(app, DoorLimits(body_timeout=0.1)) as door:
        lengths = []
        for rest in (b"ZZ\r\n", b""):
            client = await connected(door)
            client.send(CHUNKED + b"1\r\na\r\n")
            await asyncio.sleep(0.05)
            client.send(rest)
            await asyncio.sleep(0.2)
            reader, writer = await asyncio.open_connection(sock=client)
            (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
            lengths.append(len(answer.body))
            writer.close()

    assert lengths == [6_000_000, 6_000_000]


async def test_lingering_ends_with_its_time_and_not_before_the_answer_has_left() -> None:
    """B8: a client that takes its time is answered whole; one that has its answer and stays is cut off."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 8_000_000))

    async with serving(app, DoorLimits(linger=0.1)) as door:
        client = await connected(door)
        client.send(get())
        await asyncio.sleep(0.3)  # longer than it lingers, with most of the answer not taken
        during = len(door.state.connections)
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        await door.until_guests(0)
        writer.close()

    assert (during, len(answer.body)) == (1, 8_000_000)


async def test_a_client_that_sends_for_ever_is_cut_off() -> None:
    """The patience after a refusal is bounded in octets."""
    async with serving(limits=DoorLimits(linger=30, linger_bytes=100_000)) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")

        async def write_on() -> None:
            while True:
                writer.write(b"x" * 20_000)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(write_on(), 30)
        writer.transport.abort()
