"""Answers in the coding that is asked for, by the gateway and by the door."""

import asyncio
import gzip
import zlib

import brotli
import pytest
from backports import zstd

from tests.stagedoor.near.doors import Behind, octets
from tests.stagedoor.near.shops import shopping

GZIP = "Accept-Encoding: gzip"


class Read:
    """One answer."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        self.status = int(status.split()[1])
        self.fields = dict(line.split(b": ", 1) for line in lines)


async def ask(door: Behind, target: str, fields: str = "", method: str = "GET") -> Read:
    return Read(await door.ask(target, fields, method))


async def test_one_answer_has_one_tag_in_each_coding() -> None:
    """The octets of both are right, and both say what they depend on."""
    async with shopping() as door:
        plain, coded = await ask(door, "/kept/a"), await ask(door, "/kept/a", GZIP)

        assert gzip.decompress(coded.body) == plain.body
        assert coded.fields[b"content-encoding"] == b"gzip"
        assert int(coded.fields[b"content-length"]) == len(coded.body) < len(plain.body)
        assert coded.fields[b"etag"] == plain.fields[b"etag"][:-1] + b'~gzip"'
        assert coded.fields[b"vary"] == plain.fields[b"vary"] == b"Accept-Encoding"


@pytest.mark.parametrize("asked", [1, 6])
async def test_who_has_it_in_the_coding_that_is_selected_is_told_so(asked: int) -> None:
    """RFC 9110 13.1.2: the tag of another coding is that of other octets; so it is at the door."""
    async with shopping() as door:
        plain, coded = await ask(door, "/kept/a"), await ask(door, "/kept/a", GZIP)
        tag, other = coded.fields[b"etag"].decode(), plain.fields[b"etag"].decode()
        kinds = [f"{GZIP}\nIf-None-Match: {tag}", f"{GZIP}\nIf-None-Match: {other}", f"If-None-Match: {tag}"]
        told = [[await ask(door, "/kept/a", kind) for kind in kinds] for _ in range(asked)]
        same, unlike, back = told[-1]

        assert (same.status, unlike.status, back.status) == (304, 200, 200)
        assert same.fields[b"vary"] == b"Accept-Encoding"
        assert same.fields[b"etag"].decode() == tag
        assert b"content-encoding" not in same.fields


async def test_head_says_of_a_coding_what_get_says() -> None:
    """RFC 9110 9.3.2."""
    async with shopping() as door:
        got, head = await ask(door, "/kept/a", GZIP), await ask(door, "/kept/a", GZIP, "HEAD")

        for name in (b"content-encoding", b"content-length", b"etag", b"vary"):
            assert head.fields[name] == got.fields[name]
        assert head.body == b""


async def test_the_door_gives_each_coding_again() -> None:
    """Both from one permission each, and a purge ends both."""
    async with shopping() as door:
        connection = door.connect()
        for _ in range(4):
            for fields in ("", GZIP):
                await connection.send(octets("/kept/a", fields))
        plain = Read(connection.at_once(octets("/kept/a")))
        await connection.send()
        coded = Read(connection.at_once(octets("/kept/a", GZIP)))
        await connection.send()
        await door.running.purge("kept:{}", "a")

        assert gzip.decompress(coded.body) == plain.body
        assert coded.fields[b"vary"] == b"Accept-Encoding"
        assert connection.at_once(octets("/kept/a", GZIP)) == b""


async def test_each_client_gets_the_coding_it_likes_best() -> None:
    """By the gateway and then by the door, each with a tag of its own."""
    liked = {"gzip, deflate, br, zstd": b"zstd", "gzip, deflate, br": b"br", "gzip, deflate": b"gzip"}
    async with shopping() as door:
        turns = [
            {said: await ask(door, "/kept/a", f"Accept-Encoding: {said}") for said in liked} for _ in range(5)
        ]

        for answers in turns:
            assert {said: one.fields[b"content-encoding"] for said, one in answers.items()} == liked
            assert len({one.fields[b"etag"] for one in answers.values()}) == 3
            assert len({one.body for one in answers.values()}) == 3
        assert brotli.decompress(turns[4]["gzip, deflate, br"].body) == zstd.decompress(
            turns[4]["gzip, deflate, br, zstd"].body
        )


async def test_a_coding_is_prepared_once() -> None:
    """Many who ask at the same time wait for one thread; who asks later for none."""
    async with shopping() as door:
        await ask(door, "/large")
        connections = [door.connect() for _ in range(9)]
        for connection in connections:
            connection.protocol.data_received(octets("/large", GZIP))
        for _ in range(3):
            await asyncio.sleep(0)
        compression = door.running.web.compression

        assert compression is not None
        assert compression.under_way == 1
        answers = [await connection.send() for connection in connections]
        assert len({Read(answer).body for answer in answers}) == 1
        before = door.running.stores.near.stats().items
        await ask(door, "/large", GZIP)
        assert door.running.stores.near.stats().items == before


@pytest.mark.parametrize("target", ["/asked", "/now", "/nix", "/told"])
async def test_what_is_small_or_private_is_sent_as_it_is(target: str) -> None:
    """Less than 1 KB, not kept, a problem: no coding, and nothing that depends on one."""
    async with shopping() as door:
        answer = await ask(door, target, GZIP)

        assert b"content-encoding" not in answer.fields
        assert b"vary" not in answer.fields


async def test_a_route_may_ask_for_it_or_refuse_it() -> None:
    """What is the route's own is prepared anew each time, and nobody keeps it."""
    async with shopping() as door:
        asks, refuses = await ask(door, "/asks", GZIP), await ask(door, "/refuses", GZIP)

        assert asks.fields[b"content-encoding"] == b"gzip"
        assert asks.fields[b"cache-control"] == b"no-store"
        assert b"vary" not in refuses.fields
        assert door.running.stores.near.stats().items == 1


async def test_it_can_be_switched_off() -> None:
    """SHOP_COMPRESSION=false."""
    async with shopping(environment={"SHOP_COMPRESSION": "false"}) as door:
        answer = await ask(door, "/kept/a", GZIP)

        assert b"content-encoding" not in answer.fields


async def test_the_document_of_the_interface_leaves_as_gzip() -> None:
    """It is the largest answer of many a gateway."""
    async with shopping() as door:
        answer = await ask(door, "/openapi.json", GZIP)

        assert zlib.decompress(answer.body, 31).startswith(b'{"openapi"')
