"""Grow the demo data: the named examples of the contract and a large synthetic shop around them.

The same seed gives the same rows on every machine. The rows are synthetic, names included; addresses
stand under example.com, which nobody owns. Sowing adds what is missing and touches nothing that is
there, so it may be repeated, and rows an operator has changed stay changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from cinema.database.tables import order, order_item, product, user

__all__ = ["Harvest", "grow", "is_sown", "sow"]

Row = dict[str, Any]

USERS = 10_000
PRODUCTS = 500
_FIRST = 1_000  # user1000, prod1000: clear of the named examples
_EPOCH = datetime(2022, 1, 1, tzinfo=UTC)
_STATUSES = ("ожидает", "оплачен", "отправлен", "доставлен", "отменён")


@dataclass(frozen=True, slots=True)
class Harvest:
    """Hold the rows of each table, parents before children."""

    users: Sequence[Row]
    products: Sequence[Row]
    orders: Sequence[Row]
    items: Sequence[Row]

    def by_table(self) -> tuple[tuple[Table, Sequence[Row]], ...]:
        """Pair the rows with their tables, in the order foreign keys ask for."""
        return ((user, self.users), (product, self.products), (order, self.orders), (order_item, self.items))


def grow(users: int = USERS, products: int = PRODUCTS, seed: str = "cinema") -> Harvest:
    """Return the named examples and so many synthetic users and products, with 0 to 5 orders a user."""
    rng = Random(seed)  # noqa: S311 - demo data, not secrets
    catalogue = [_product(rng, _FIRST + number) for number in range(products)]
    people = [_user(rng, _FIRST + number) for number in range(users)]
    orders, items = list(_NAMED_ORDERS), list(_NAMED_ITEMS)
    number = 100_000
    for person in people:
        for _ in range(rng.randint(0, 5)):
            number += 1
            bought = list(_items(rng, f"order{number}", catalogue))
            items.extend(bought)
            orders.append(_order(rng, f"order{number}", person, bought))
    return Harvest([*_NAMED_USERS, *people], [*_NAMED_PRODUCTS, *catalogue], orders, items)


def is_sown(connection: Connection) -> bool:
    """Tell whether the demo data is there; sowing is one transaction, so the last user stands for all."""
    last = f"user{_FIRST + USERS - 1}"
    return bool(
        connection.execute(select(func.count()).where(user.c.id.in_(("user123", last)))).scalar_one() == 2
    )


def sow(connection: Connection) -> bool:
    """Add the demo data inside the caller's transaction; tell whether there was anything to do."""
    if is_sown(connection):
        return False
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    for target, rows in grow().by_table():
        connection.execute(insert(target).on_conflict_do_nothing(), rows)
    return True


def _at(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def _moment(rng: Random, since: datetime, days: int) -> datetime:
    return since + timedelta(seconds=rng.randrange(days * 86_400))


def _user(rng: Random, number: int) -> Row:
    first, last, login = _name(rng)
    username = f"{login}_{number}"
    return {
        "id": f"user{number}",
        "username": username,
        "email": f"{username}@example.com",
        "full_name": f"{first} {last}",
        "is_active": rng.random() < 0.95,
        "created_at": _moment(rng, _EPOCH, 1_000),
    }


def _name(rng: Random) -> tuple[str, str, str]:
    firsts, lasts = rng.choice(_NAMES)
    (first, first_login), (last, last_login) = rng.choice(firsts), rng.choice(lasts)
    return first, last, f"{first_login}_{last_login}"


def _product(rng: Random, number: int) -> Row:
    category, nouns, low, high = rng.choice(_SHELVES)
    noun, quality = rng.choice(nouns), rng.choice(_QUALITIES)
    return {
        "id": f"prod{number}",
        "name": f"{noun} {quality} {number}",
        "description": f"{noun}, {category.lower()}, серия {quality}",
        "category": category,
        "price": rng.randrange(low * 100, high * 100) / 100,
        "stock_quantity": rng.randrange(200),
    }


def _items(rng: Random, order_id: str, catalogue: Sequence[Row]) -> Iterator[Row]:
    for position, bought in enumerate(rng.sample(catalogue, min(len(catalogue), rng.randint(1, 4)))):
        yield _item(order_id, position, bought["id"], rng.randint(1, 3), bought["price"])


def _item(order_id: str, position: int, product_id: str, quantity: int, price: float) -> Row:
    return {
        "order_id": order_id,
        "position": position,
        "product_id": product_id,
        "quantity": quantity,
        "price": price,
    }


def _order(rng: Random, order_id: str, person: Row, items: Sequence[Row]) -> Row:
    return {
        "id": order_id,
        "user_id": person["id"],
        "status": rng.choice(_STATUSES),
        "total_amount": round(sum(item["price"] * item["quantity"] for item in items), 2),
        "created_at": _moment(rng, person["created_at"], 400),
    }


# Pairs of a name and its form in a login.
_RUSSIAN = (
    (
        ("Анна", "anna"),
        ("Мария", "maria"),
        ("Елена", "elena"),
        ("Ольга", "olga"),
        ("Дарья", "daria"),
        ("Ирина", "irina"),
    ),
    (
        ("Смирнова", "smirnova"),
        ("Иванова", "ivanova"),
        ("Кузнецова", "kuznetsova"),
        ("Соколова", "sokolova"),
        ("Попова", "popova"),
    ),
)
_RUSSIAN_MEN = (
    (
        ("Иван", "ivan"),
        ("Пётр", "petr"),
        ("Алексей", "alexey"),
        ("Дмитрий", "dmitry"),
        ("Сергей", "sergey"),
        ("Николай", "nikolay"),
    ),
    (
        ("Петров", "petrov"),
        ("Волков", "volkov"),
        ("Морозов", "morozov"),
        ("Лебедев", "lebedev"),
        ("Козлов", "kozlov"),
    ),
)
_ENGLISH = (
    (
        ("Alice", "alice"),
        ("Brian", "brian"),
        ("Chloe", "chloe"),
        ("Daniel", "daniel"),
        ("Grace", "grace"),
        ("Oliver", "oliver"),
    ),
    (
        ("Baker", "baker"),
        ("Carter", "carter"),
        ("Hughes", "hughes"),
        ("Morgan", "morgan"),
        ("O'Neill", "oneill"),
        ("Walker", "walker"),
    ),
)
_NAMES = (_RUSSIAN, _RUSSIAN_MEN, _ENGLISH)

_QUALITIES = ("Lite", "Plus", "Pro", "Max", "Classic", "Neo")
_SHELVES = (
    ("Электроника", ("Ноутбук", "Монитор", "Наушники", "Колонка", "Проектор"), 20, 2_000),
    ("Аксессуары", ("Мышь", "Клавиатура", "Кабель", "Подставка", "Чехол"), 5, 150),
    ("Книги", ("Роман", "Сценарий", "Альбом кадров", "Биография режиссёра"), 4, 60),
    ("Кино", ("Плакат", "Диск", "Фигурка", "Абонемент"), 3, 120),
)

_NAMED_USERS = (
    {
        "id": "user123",
        "username": "ivan_petrov",
        "email": "ivan@example.com",
        "full_name": "Иван Петров",
        "is_active": True,
        "created_at": _at(2023, 1, 15, 10, 30),
    },
    {
        "id": "user456",
        "username": "anna_smirnova",
        "email": "anna@example.com",
        "full_name": "Анна Смирнова",
        "is_active": True,
        "created_at": _at(2023, 2, 20, 9, 15),
    },
)
_NAMED_PRODUCTS = (
    {
        "id": "prod1",
        "name": "Ноутбук",
        "description": "Лёгкий ноутбук, экран 14 дюймов",
        "category": "Электроника",
        "price": 999.99,
        "stock_quantity": 50,
    },
    {
        "id": "prod2",
        "name": "Мышь",
        "description": "Беспроводная мышь, тихие кнопки",
        "category": "Аксессуары",
        "price": 29.99,
        "stock_quantity": 200,
    },
    {
        "id": "prod3",
        "name": "Клавиатура",
        "description": "Механическая клавиатура, подсветка клавиш",
        "category": "Аксессуары",
        "price": 79.5,
        "stock_quantity": 75,
    },
)
_NAMED_ORDERS = (
    {
        "id": "order123",
        "user_id": "user123",
        "status": "доставлен",
        "total_amount": 2_029.97,
        "created_at": _at(2023, 10, 1, 14, 30),
    },
    {
        "id": "order456",
        "user_id": "user123",
        "status": "отправлен",
        "total_amount": 79.5,
        "created_at": _at(2023, 11, 15, 11, 20),
    },
    {
        "id": "order789",
        "user_id": "user456",
        "status": "ожидает",
        "total_amount": 75.25,
        "created_at": _at(2023, 12, 5, 16, 45),
    },
)
_NAMED_ITEMS = (
    _item("order123", 0, "prod1", 2, 999.99),
    _item("order123", 1, "prod2", 1, 29.99),
    _item("order456", 0, "prod3", 1, 79.5),
    _item("order789", 0, "prod1", 1, 75.25),
)
