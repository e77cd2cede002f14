"""The user service, over SQLite and PostgreSQL."""

from cinema.services.users.models import User
from tests.cinema.services.asking import Asker


async def test_a_user_has_the_shape_of_the_contract(users: Asker) -> None:
    """Contract 5 and 11: the gateway passes this on as it is."""
    reply = await users("/users/user456")

    assert reply.status == 200
    assert reply.json == {
        "id": "user456",
        "username": "anna_smirnova",
        "email": "anna@example.com",
        "full_name": "Анна Смирнова",
        "is_active": True,
        "created_at": "2023-02-20T09:15:00Z",
    }
    assert User.model_validate_json(reply.body).created_at.tzinfo is not None


async def test_p8_an_unknown_user_is_not_found(users: Asker) -> None:
    """P8: never 200 with an error inside."""
    reply = await users("/users/nobody")

    assert (reply.status, reply.json["detail"]) == (404, "user not found")


async def test_users_come_in_pages(users: Asker) -> None:
    """Contract 1.3: the exact number, and links that keep other parameters."""
    reply = await users("/users?limit=2&offset=4&kept=yes")
    past = await users("/users?limit=2&offset=20000")

    assert [user["id"] for user in reply.json] == ["user10003", "user10004"]
    assert reply.headers["x-total-count"] == "10002"
    assert '</users?kept=yes&limit=2&offset=6>; rel="next"' in reply.headers["link"]
    assert '</users?limit=2&offset=10000>; rel="prev"' in past.headers["link"]


async def test_an_id_may_hold_a_slash(users: Asker) -> None:
    """T8: an encoded slash stays inside the id and reaches no other route."""
    replies = [await users(path) for path in ("/users/a%2Fb", "/users/user456%2F", "/users/..%2Fhealth")]

    assert [(reply.status, reply.json["detail"]) for reply in replies] == [(404, "user not found")] * 3
