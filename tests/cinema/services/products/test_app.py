"""The product service, over SQLite and PostgreSQL."""

import pytest

from cinema.services.products.models import MOST_IDS, Product
from tests.cinema.services.asking import Asker


async def test_a_product_has_the_shape_of_the_contract(products: Asker) -> None:
    """Contract 5 and 11."""
    reply = await products("/products/prod1")
    product = Product.model_validate_json(reply.body)

    assert reply.json.keys() == Product.model_fields.keys()
    assert (product.name, product.price, product.category, product.stock_quantity) == (
        "Ноутбук",
        999.99,
        "Электроника",
        50,
    )


async def test_an_unknown_product_is_not_found(products: Asker) -> None:
    """Contract 11."""
    reply = await products("/products/nothing")

    assert (reply.status, reply.json["detail"]) == (404, "product not found")


async def test_p7_a_batch_answers_the_known_ones_in_order_each_once(products: Asker) -> None:
    """P7 and contract 11: one unknown id is missing alone."""
    reply = await products.post("/products/batch", {"product_ids": ["prod3", "nothing", "prod1", "prod3"]})

    assert [product["id"] for product in reply.json] == ["prod3", "prod1"]


@pytest.mark.parametrize(
    "odd", ["", "x" * 129, "a\tb", "\x7f", " prod1", "..", "a/b", "\u202e", "x" * 65_536]
)
async def test_p7_an_id_that_no_product_can_have_is_unknown_alone(products: Asker, odd: str) -> None:
    """P7 and contract 5: orders name whatever they like, and what is unknown is simply absent."""
    reply = await products.post("/products/batch", {"product_ids": ["prod1", odd, "prod2"]})

    assert (reply.status, [product["id"] for product in reply.json]) == (200, ["prod1", "prod2"])


async def test_p7_all_products_of_a_thousand_orders_are_asked_for_at_once(products: Asker) -> None:
    """P7 and contract 5: one call, however many different products there are."""
    ids = [*(f"nothing{number}" for number in range(MOST_IDS - 1)), "prod1"]
    reply = await products.post("/products/batch", {"product_ids": ids})

    assert (reply.status, [product["id"] for product in reply.json]) == (200, ["prod1"])


@pytest.mark.parametrize("length", [1, MOST_IDS])
async def test_a_batch_of_permitted_length_is_answered(products: Asker, length: int) -> None:
    """The bounds themselves are inside."""
    reply = await products.post("/products/batch/", {"product_ids": ["prod1"] * length})

    assert [product["id"] for product in reply.json] == ["prod1"]


@pytest.mark.parametrize(
    "value",
    [
        {"product_ids": []},
        {"product_ids": ["prod1"] * (MOST_IDS + 1)},
        {"product_ids": ["\x00"]},
        {"product_ids": ["\ud800"]},
        {"product_ids": [1]},
        {"product_ids": "prod1"},
        {},
        [],
    ],
)
async def test_a_batch_out_of_bounds_is_refused(products: Asker, value: object) -> None:
    """Contract 1.2: well-formed and wrong is 422, and says where."""
    reply = await products.post("/products/batch", value)

    assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")
    assert all(error["loc"][0] == "body" for error in reply.json["errors"])


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" * 5_000])
async def test_a_number_that_is_none_is_refused_wherever_it_stands(products: Asker, number: str) -> None:
    """Contract 1.2: 422, also in a field that nobody reads, as at the gateway."""
    body = f'{{"product_ids":["prod1"],"more":[{number}]}}'.encode()
    reply = await products("/products/batch", "POST", body, {"content-type": "application/json"})

    assert (reply.status, reply.json["errors"][0]["loc"]) == (422, ["body"])


@pytest.mark.parametrize("body", [b"", b'{"product_ids":["a"', b"\xff", b"[" * 100_000])
async def test_a_broken_body_is_refused(products: Asker, body: bytes) -> None:
    """Contract 1.2: broken syntax is 400; no body at all is a missing field."""
    reply = await products("/products/batch", "POST", body, {"content-type": "application/json"})

    assert (reply.status, type(reply.json["detail"])) == (400 if body else 422, str)


async def test_a_body_beyond_the_bound_is_refused(products: Asker) -> None:
    """A10: nobody fills our memory."""
    reply = await products("/products/batch", "POST", b" " * 2_097_153, {"content-type": "application/json"})

    assert (reply.status, reply.json["type"]) == (413, "urn:problem-type:cinema:too-large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_a_body_of_another_kind_is_refused(products: Asker, kind: str) -> None:
    """Contract 1.4: 415, whatever the bytes would mean as JSON."""
    reply = await products("/products/batch", "POST", b'{"product_ids":["prod1"]}', {"content-type": kind})

    assert (reply.status, reply.json["type"]) == (415, "urn:problem-type:cinema:unsupported-media")


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"]
)
async def test_every_way_to_say_json_is_understood(products: Asker, kind: str) -> None:
    """RFC 9110 8.3: types are compared without case, and may have parameters."""
    reply = await products("/products/batch", "POST", b'{"product_ids":["prod1"]}', {"content-type": kind})

    assert reply.status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_the_batch_is_asked_by_post_only(products: Asker, method: str) -> None:
    """Contract 1.2 and 11: the path is known, and no product's id."""
    reply = await products("/products/batch", method)

    assert (reply.status, reply.headers["allow"]) == (405, "POST")
