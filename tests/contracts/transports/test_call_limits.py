"""Bounds on calls: time, size, cancellation, compressed bodies."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
)
from tests.contracts.transports.asking import always, answering
from tests.contracts.transports.house import House, call_of
from tests.contracts.transports.server import RawServer, Reply, Seen


async def test_d1_a_late_answer_ends_by_the_deadline(house: House) -> None:
    always(house, Reply(gate=asyncio.Event()))
    started = asyncio.get_running_loop().time()

    with pytest.raises(UpstreamTimeout) as caught:
        await house.call(within=0.05)

    assert caught.value.retryable
    assert 0.04 <= asyncio.get_running_loop().time() - started < 20.0
    assert house.in_use() == 0


async def test_d4_a_deadline_that_has_passed_costs_nothing(house: House) -> None:
    with pytest.raises(UpstreamTimeout) as caught:
        await house.call(within=-1.0)

    assert (caught.value.retryable, house.seen) == (False, [])


async def test_a_body_over_the_limit_is_garbled(house: House) -> None:
    always(house, Reply(chunks=tuple(b"x" * 65536 for _ in range(20))))

    with pytest.raises(UpstreamGarbled):
        await house.call()

    assert house.in_use() == 0


async def test_a_body_cut_in_the_middle_is_garbled(house: House) -> None:
    always(house, Reply(chunks=(b"some", b"more"), cut=True))

    with pytest.raises(UpstreamGarbled):
        await house.call()


async def test_more_than_256_fields_are_garbled(house: House) -> None:
    always(house, Reply(headers=tuple((b"x-%d" % n, b"") for n in range(300))))

    with pytest.raises(UpstreamGarbled):
        await house.call()


async def test_x2_a_cancelled_call_is_a_cancellation_and_leaves_nothing(house: House) -> None:
    asked = asyncio.Event()

    async def answer(seen: Seen) -> Reply:
        asked.set()
        return Reply(gate=asyncio.Event())

    answering(house, answer)
    call = asyncio.ensure_future(house.call())
    await asked.wait()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    await house.until_free()


async def test_a_request_body_can_be_a_stream(house: House) -> None:
    async def source() -> AsyncIterator[bytes]:
        for number in range(5):
            await asyncio.sleep(0)
            yield b"%d" % number * 1000

    response = await house.call(method="POST", body=source())

    assert response.body == b"".join(b"%d" % number * 1000 for number in range(5))


async def test_errors_name_no_host_port_or_path(house: House) -> None:
    """T21: such facts are in the cause only."""
    always(house, Reply(status=500))

    with pytest.raises(UpstreamError) as caught:
        await house.call(b"/secret/path")

    assert "127.0.0.1" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_t6_keys_tell_every_difference_apart(house: House) -> None:
    plain = HttpRequest(target=b"/ab", headers=((b"a", b"b"),), body=b"c")
    others = [
        replace(plain, target=b"/abc"),
        replace(plain, method="HEAD"),
        replace(plain, headers=((b"ab", b""),)),
        replace(plain, headers=((b"a", b"bc"),), body=b""),
        replace(plain, headers=()),
        replace(plain, body=b""),
        replace(plain, target=b"/%61b"),
    ]

    keys = {house.transport.key_of(payload) for payload in (plain, *others)}

    assert len(keys) == 1 + len(others)
    assert house.transport.key_of(plain) == house.transport.key_of(replace(plain))


def test_a_stream_equals_nothing_and_is_not_repeatable(house: House) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b""

    payload = HttpRequest(method="PUT", target=b"/", body=source())

    assert house.transport.key_of(payload) != house.transport.key_of(payload)
    assert not house.transport.idempotent(payload)
    assert house.transport.idempotent(HttpRequest(method="PUT", target=b"/"))
    assert not house.transport.idempotent(HttpRequest(method="POST", target=b"/"))


async def test_t12_compressed_answers_stay_as_they_are_unless_asked_for(house: House) -> None:
    body = gzip.compress(b"plain")
    always(house, Reply(headers=((b"content-encoding", b"gzip"),), chunks=(body,)))

    response = await house.call()

    assert (response.body, response.header(b"content-encoding")) == (body, b"gzip")
    assert house.seen[0].values(b"accept-encoding") == []


async def test_t12_our_client_decompresses_if_asked_to(ours: House) -> None:
    always(
        ours, Reply(status=404, headers=((b"content-encoding", b"gzip"),), chunks=(gzip.compress(b"plain"),))
    )
    assert isinstance(ours.server, RawServer)
    transport = HttpTransport(f"http://127.0.0.1:{ours.server.port}", decompress=True)
    payload = HttpRequest(target=b"/", headers=((b"accept-encoding", b"br"),))

    with pytest.raises(UpstreamRejected) as caught:
        await transport.send(call_of(transport, payload, within=5.0))

    assert caught.value.response is not None
    assert caught.value.response.body == b"plain"
    assert ours.seen[0].values(b"accept-encoding") == [b"gzip, deflate"]
    await transport.aclose()


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
async def test_c2_every_form_of_what_we_ask_for_is_read(ours: House, coding: bytes) -> None:
    """U2: gzip of several members (RFC 1952 2.2), and deflate as many servers send it."""
    bare = zlib.compressobj(wbits=-15)
    bodies = {
        b"gzip": gzip.compress(b'{"status":"ok",') + gzip.compress(b'"data":[]}'),
        b"deflate": bare.compress(b'{"status":"ok","data":[]}') + bare.flush(),
    }
    always(ours, Reply(headers=((b"content-encoding", coding),), chunks=(bodies[coding],)))
    assert isinstance(ours.server, RawServer)
    transport = HttpTransport(f"http://127.0.0.1:{ours.server.port}", decompress=True)

    response = await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

    assert (response.body, response.header(b"content-encoding")) == (b'{"status":"ok","data":[]}', None)
    await transport.aclose()


async def test_t12_a_bomb_from_an_upstream_is_garbled(ours: House) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    always(ours, Reply(headers=((b"content-encoding", b"gzip"),), chunks=(bomb,)))
    assert isinstance(ours.server, RawServer)
    transport = HttpTransport(f"http://127.0.0.1:{ours.server.port}", decompress=True)

    with pytest.raises(UpstreamGarbled):
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

    await transport.aclose()
