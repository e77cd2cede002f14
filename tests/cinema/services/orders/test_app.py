"""The order service, over SQLite and PostgreSQL."""

from pydantic import TypeAdapter

from cinema.services.orders.models import Order
from cinema.services.orders.queries import fold
from tests.cinema.services.asking import Asker


async def test_orders_have_the_shape_of_the_contract(orders: Asker) -> None:
    """Contract 5 and 11: amounts are JSON numbers, moments have an offset."""
    reply = await orders("/orders/user/user456")

    assert reply.json == [
        {
            "id": "order789",
            "user_id": "user456",
            "status": "ожидает",
            "total_amount": 75.25,
            "items": [{"product_id": "prod1", "quantity": 1, "price": 75.25}],
            "created_at": "2023-12-05T16:45:00Z",
        }
    ]
    assert TypeAdapter(list[Order]).validate_json(reply.body)


async def test_orders_come_oldest_first_with_their_lines_in_order(orders: Asker) -> None:
    """The answer must not depend on the engine."""
    reply = await orders("/orders/user/user123")

    assert [(order["id"], [item["product_id"] for item in order["items"]]) for order in reply.json] == [
        ("order123", ["prod1", "prod2"]),
        ("order456", ["prod3"]),
    ]


async def test_an_unknown_user_has_no_orders(orders: Asker) -> None:
    """Contract 11: an empty list, whatever the id holds."""
    replies = [await orders(f"/orders/user/{user}") for user in ("nobody", "a%2Fb", "%D0%B0")]

    assert [(reply.status, reply.json) for reply in replies] == [(200, [])] * 3


async def test_all_orders_come_in_pages(orders: Asker) -> None:
    """A page counts orders, not lines."""
    reply = await orders("/orders?limit=3")

    assert [order["id"] for order in reply.json] == ["order100001", "order100002", "order100003"]
    assert all(order["items"] for order in reply.json)
    assert int(reply.headers["x-total-count"]) > 20_000


def test_an_order_without_lines_is_still_an_order() -> None:
    """The outer join gives it one row without a product."""
    rows = [("o1", "u", "s", 0.0, None, None, None, None), ("o2", "u", "s", 1.0, None, "p", 1, 1.0)]

    assert [(order["id"], len(order["items"])) for order in fold(rows)] == [("o1", 0), ("o2", 1)]
