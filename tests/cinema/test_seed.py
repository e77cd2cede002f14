"""The demo data: the same everywhere, complete, and sown once."""

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, update

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.database.tables import user
from cinema.seed import Harvest, grow, sow


@pytest.fixture(scope="module")
def harvest() -> Harvest:
    """Grow once: nothing changes the rows."""
    return grow()


def test_the_same_seed_grows_the_same_rows() -> None:
    """Loads and bug reports name ids; they must mean the same on every machine."""
    assert grow(50, 10) == grow(50, 10)
    assert grow(50, 10, seed="other") != grow(50, 10)


def test_the_shop_has_the_promised_size(harvest: Harvest) -> None:
    """Contract 11: 10,000 users beside the named ones, 500 products, none to five orders a user."""
    orders = Counter(order["user_id"] for order in harvest.orders)

    assert [row["id"] for row in harvest.users[2:]] == [f"user{number}" for number in range(1_000, 11_000)]
    assert len(harvest.products) == 503
    assert {orders[row["id"]] for row in harvest.users[2:]} == {0, 1, 2, 3, 4, 5}


def test_the_named_examples_are_those_of_the_contract(harvest: Harvest) -> None:
    """Contract 11."""
    lines = [(row["order_id"], row["quantity"], row["product_id"]) for row in harvest.items[:4]]

    assert lines == [
        ("order123", 2, "prod1"),
        ("order123", 1, "prod2"),
        ("order456", 1, "prod3"),
        ("order789", 1, "prod1"),
    ]
    assert [(row["id"], row["user_id"]) for row in harvest.orders[:3]] == [
        ("order123", "user123"),
        ("order456", "user123"),
        ("order789", "user456"),
    ]


def test_amounts_add_up_and_ids_resolve(harvest: Harvest) -> None:
    """A demo that contradicts itself teaches the wrong thing; order789 is the contract's own example."""
    totals: Counter[str] = Counter()
    for row in harvest.items:
        totals[row["order_id"]] += round(row["price"] * row["quantity"] * 100)
    products = {row["id"] for row in harvest.products}

    assert all(totals[row["id"]] == round(row["total_amount"] * 100) for row in harvest.orders)
    assert all(row["product_id"] in products for row in harvest.items)


def test_addresses_belong_to_nobody(harvest: Harvest) -> None:
    """RFC 2606 keeps example.com free, and every login is its user's own."""
    assert all(row["email"].endswith("@example.com") and row["email"].isascii() for row in harvest.users)
    assert len({row["username"] for row in harvest.users}) == len(harvest.users)


async def test_sowing_twice_changes_nothing(tmp_path: Path) -> None:
    """A restart must not undo what an operator has changed, nor double anything."""
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")
    await database.write(migrate)

    def edit(connection: Connection) -> None:
        connection.execute(update(user).where(user.c.id == "user123").values(username="changed"))

    def look(connection: Connection) -> tuple[object, ...]:
        name = select(user.c.username).where(user.c.id == "user123").scalar_subquery()
        return tuple(connection.execute(select(func.count(), name).select_from(user)).one())

    first = await database.write(sow)
    await database.write(edit)
    second = await database.write(sow)
    seen = await database.read(look)
    await database.close()

    assert (first, second) == (True, False)
    assert seen == (10_002, "changed")
