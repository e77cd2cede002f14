"""The upstreams of the profile comparison."""

import asyncio
from collections import Counter
from typing import Any, cast

import orjson

from bench.profile.stub import Stub

GET = b"GET /users/u1 HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b'{"product_ids":["prod-u1-1","prod-u1-2"]}'
POST = b"POST /products/batch HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Written:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.answers.append(data)

    def bodies(self) -> list[Any]:
        return [orjson.loads(answer.partition(b"\r\n\r\n")[2]) for answer in self.answers]


def connected(calls: Counter[str]) -> tuple[Stub, Written]:
    stub, written = Stub(calls), Written()
    stub.connection_made(cast("asyncio.Transport", written))
    return stub, written


def test_a_request_may_arrive_in_pieces_and_two_at_once() -> None:
    """TCP keeps no borders."""
    calls = Counter[str]()
    stub, written = connected(calls)
    stream = GET + POST + GET

    for start in range(0, len(stream), 7):
        stub.data_received(stream[start : start + 7])

    user, products, again = written.bodies()
    assert user == again
    assert user["id"] == "u1"
    assert [product["id"] for product in products] == ["prod-u1-1", "prod-u1-2"]
    assert calls == {"users": 2, "products": 1}


def test_g11_no_two_users_share_a_product() -> None:
    """G11: equal batches could be joined or cached, and the one who does would look fast."""
    stub, written = connected(Counter())

    stub.data_received(b"GET /orders/user/u1 HTTP/1.1\r\n\r\nGET /orders/user/u2 HTTP/1.1\r\n\r\n")

    first, second = (
        {item["product_id"] for order in body for item in order["items"]} for body in written.bodies()
    )
    assert len(first) == 3
    assert not first & second


def test_calls_are_told_and_not_counted() -> None:
    stub, written = connected(Counter(users=5))

    stub.data_received(b"GET /calls HTTP/1.1\r\n\r\n")

    assert written.bodies() == [{"users": 5}]
