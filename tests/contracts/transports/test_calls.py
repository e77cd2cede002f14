"""What every transport sends, and what it makes of an answer."""

import asyncio

import pytest

from stagedoor import _context as context
from stagedoor._web.trace import Parents
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.contracts.transports.asking import always
from tests.contracts.transports.house import House
from tests.contracts.transports.server import Reply


async def test_a_get_brings_status_fields_and_body(house: House) -> None:
    always(house, Reply(status=203, headers=((b"X-Mixed", b"Kept As Is"),), chunks=(b"hello",)))

    response = await house.call(b"/greeting?to=world")

    assert (response.status, response.body) == (203, b"hello")
    assert response.header(b"x-mixed") == b"Kept As Is"
    assert (house.seen[0].method, house.seen[0].target) == ("GET", b"/greeting?to=world")
    assert house.in_use() == 0


async def test_a_post_carries_its_body(house: House) -> None:
    body = bytes(range(256)) * 1000

    response = await house.call(b"/", method="POST", body=body, headers=((b"content-type", b"x/y"),))

    assert response.body == body
    assert house.seen[0].values(b"content-length") == [b"%d" % len(body)]
    assert house.seen[0].values(b"content-type") == [b"x/y"]


async def test_a_body_in_chunks_arrives_whole(house: House) -> None:
    always(house, Reply(chunks=(b"one ", b"two ", b"three")))

    response = await house.call()

    assert response.body == b"one two three"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"])
async def test_every_method_goes_out_as_itself(house: House, method: str) -> None:
    always(house, Reply(headers=((b"x-a", b"b"),)))

    response = await house.call(method=method)

    assert (house.seen[0].method, response.status, response.header(b"x-a")) == (method, 200, b"b")


async def test_an_answer_to_head_has_no_body_and_the_next_call_is_whole(house: House) -> None:
    always(house, Reply(chunks=(b"twelve bytes",)))

    head = await house.call(method="HEAD")
    got = await house.call()

    assert (head.body, got.body) == (b"", b"twelve bytes")
    assert head.header(b"content-length") in (b"12", None)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body_end_at_once(house: House, status: int) -> None:
    always(house, Reply(status=status))

    response = await house.call()

    assert (response.status, response.body) == (status, b"")


@pytest.mark.parametrize("status", [200, 201, 206, 299, 300, 301, 302, 307, 308, 399])
async def test_t1_redirects_are_answers_and_never_followed(house: House, status: int) -> None:
    always(house, Reply(status=status, headers=((b"location", b"/elsewhere"),)))

    response = await house.call()

    assert response.status == status
    assert len(house.seen) == 1


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, UpstreamRejected, False),
        (404, UpstreamRejected, False),
        (499, UpstreamRejected, False),
        (429, UpstreamUnavailable, False),
        (500, UpstreamUnavailable, False),
        (501, UpstreamUnavailable, False),
        (502, UpstreamUnavailable, True),
        (503, UpstreamUnavailable, True),
        (504, UpstreamUnavailable, True),
        (599, UpstreamUnavailable, False),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_h6_a_status_of_refusal_is_an_error_that_carries_the_answer(
    house: House, status: int, error: type[UpstreamError], retryable: bool, streamed: bool
) -> None:
    """H6: also where a stream was asked for, so that nothing has to be closed."""
    always(house, Reply(status=status, headers=((b"x-why", b"because"),), chunks=(b"in ", b"words")))

    with pytest.raises(UpstreamError) as caught:
        await house.call(streamed=streamed)

    assert (type(caught.value), caught.value.retryable) == (error, retryable)
    assert caught.value.response is not None
    assert (caught.value.response.status, caught.value.response.body) == (status, b"in words")
    assert caught.value.response.header(b"x-why") == b"because"
    assert house.in_use() == 0


async def test_r5_retry_after_is_told_and_makes_429_retryable(house: House) -> None:
    always(house, Reply(status=429, headers=((b"retry-after", b"7"),)))

    with pytest.raises(UpstreamUnavailable) as caught:
        await house.call()

    assert (caught.value.retryable, caught.value.retry_after) == (True, 7.0)


async def test_h1_connection_level_fields_are_dropped_before_ours_are_added(house: House) -> None:
    """H1, T3: a client cannot name our fields, or the request's credentials, away."""
    token = context.enter(
        context.RequestContext(
            forward=((b"x-request-id", b"r1"), (b"authorization", b"Bearer of-the-request"))
        )
    )
    try:
        await house.call(
            headers=(
                (b"connection", b"close, X-Secret ,via, x-request-id, stagedoor-deadline-ms, Authorization"),
                (b"x-secret", b"1"),
                (b"keep-alive", b"timeout=5"),
                (b"te", b"trailers"),
                (b"proxy-connection", b"x"),
                (b"upgrade", b"websocket"),
                (b"transfer-encoding", b"chunked"),
                (b"content-length", b"99"),
                (b"host", b"evil.example"),
                (b"stagedoor-attempt", b"9"),
                (b"via", b"1.0 before"),
                (b"authorization", b"named away"),
                (b"x-kept", b"1"),
            )
        )
    finally:
        context.leave(token)

    seen = house.seen[0]
    names = [name for name, _ in seen.headers]
    for gone in (b"x-secret", b"keep-alive", b"te", b"proxy-connection", b"upgrade", b"transfer-encoding"):
        assert gone not in names
    assert seen.values(b"x-kept") == [b"1"]
    assert seen.values(b"x-request-id") == [b"r1"]
    assert seen.values(b"authorization") == [b"Bearer of-the-request"]
    assert seen.values(b"via") == [b"1.1 stagedoor"]
    assert seen.values(b"stagedoor-attempt") == [b"1"]
    assert len(seen.values(b"stagedoor-deadline-ms")) == 1
    assert len(seen.values(b"host")) == 1
    assert b"evil.example" not in seen.values(b"host")


async def test_a_field_that_the_payload_names_is_not_forwarded_twice(house: House) -> None:
    token = context.enter(
        context.RequestContext(forward=((b"authorization", b"caller"), (b"traceparent", b"t")))
    )
    try:
        await house.call(headers=((b"authorization", b"service"),))
    finally:
        context.leave(token)

    assert house.seen[0].values(b"authorization") == [b"service"]
    assert house.seen[0].values(b"traceparent") == [b"t"]


async def test_b9_each_call_has_a_parent_id_of_its_own(house: House) -> None:
    """B9, W3C Trace Context: calls of one request, side by side too, are told apart by their parent ids."""
    parents = Parents(b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")
    forward = ((b"x-request-id", b"r1"), (b"traceparent", b"t"))
    token = context.enter(context.RequestContext(forward=forward, parent=parents))
    try:
        await asyncio.gather(*[house.call() for _ in range(3)])
    finally:
        context.leave(token)
    seen = [request.values(b"traceparent") for request in house.seen]

    assert [len(values) for values in seen] == [1, 1, 1]
    assert len({values[0] for values in seen}) == 3
    assert {request.values(b"x-request-id")[0] for request in house.seen} == {b"r1"}


async def test_h2_via_is_added_behind_those_before(house: House) -> None:
    await house.call(headers=((b"via", b"1.0 before"),))

    assert house.seen[0].values(b"via") == [b"1.0 before", b"1.1 stagedoor"]


async def test_d5_the_upstream_is_told_what_is_left_and_which_attempt_this_is(house: House) -> None:
    await house.call(within=3.0, attempt=2)

    assert 1 <= int(house.seen[0].values(b"stagedoor-deadline-ms")[0]) <= 3000
    assert house.seen[0].values(b"stagedoor-attempt") == [b"2"]


@pytest.mark.parametrize(
    "target",
    [
        b"/a/%2e%2e/b",
        b"/a/../b",
        b"/a//b",
        b"//a",
        b"/%7E~",
        b'/a?x="<>{}|\\^`',
        b"/a;x=1",
        b"/%zz",
        b"/??a=1&a=2",
    ],
)
async def test_h5_targets_go_out_byte_for_byte_or_not_at_all(house: House, target: bytes) -> None:
    """H5, T8: what is keyed and authorised is what is sent."""
    try:
        await house.call(target)
    except UpstreamRejected:
        assert not house.can.exact_bytes
        assert house.seen == []
    else:
        assert house.seen[0].target == target


async def test_the_declaration_of_exact_bytes_is_true(house: House) -> None:
    if house.can.exact_bytes:
        await house.call(b"/a/%2e%2e/b")
    else:
        with pytest.raises(UpstreamRejected):
            await house.call(b"/a/%2e%2e/b")


async def test_an_empty_query_is_told_from_none_as_declared(house: House) -> None:
    await house.call(b"/a?")

    assert (house.seen[0].target == b"/a?") is house.can.empty_query


@pytest.mark.parametrize(
    "target",
    [b"", b"x", b"*", b"http://other/", b"/a b", b"/a\r\nx: y", b"/\x00", b"/\xff", b"/\x7f", b"/a\n"],
)
async def test_t2_targets_that_could_end_the_line_are_refused(house: House, target: bytes) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        await house.call(target)

    assert (caught.value.retryable, caught.value.response, house.seen) == (False, None, [])


@pytest.mark.parametrize(
    "field",
    [
        (b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x", b"a\rb"), (b"x", b"a\x00b"), (b"x", b"\x7f"), (b"x", b"\x1b[0m"),
        (b"x\r\ny", b"a"), (b"x y", b"a"), (b"", b"a"), (b"x:", b"a"), (b"\xff", b"a"),
    ],
)  # fmt: skip
async def test_t2_fields_that_could_end_the_line_are_refused(
    house: House, field: tuple[bytes, bytes]
) -> None:
    with pytest.raises(UpstreamRejected):
        await house.call(headers=(field,))

    assert house.seen == []


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\nx: y", "CONNECT", "GÉT"])
async def test_t2_methods_that_are_no_token_are_refused(house: House, method: str) -> None:
    with pytest.raises(UpstreamRejected):
        await house.call(method=method)

    assert house.seen == []


async def test_t18_bytes_above_0x7f_pass_or_are_refused_as_declared(house: House) -> None:
    always(house, Reply(headers=((b"x-name", b"caf\xc3\xa9 \xff"),)))

    if house.can.high_bytes:
        response = await house.call(headers=((b"x-sent", b"caf\xe9"),))
        assert response.header(b"x-name") == b"caf\xc3\xa9 \xff"
        assert house.seen[0].values(b"x-sent") == [b"caf\xe9"]
    else:
        with pytest.raises(UpstreamGarbled):
            await house.call()
        with pytest.raises(UpstreamRejected):
            await house.call(headers=((b"x-sent", b"caf\xe9"),))
