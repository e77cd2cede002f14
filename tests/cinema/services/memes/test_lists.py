"""Walks through the list: exact under inserts, deletions and equal moments."""

import base64
import random
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert

from cinema.database import Database, open_database
from cinema.database.tables import meme
from cinema.services.memes.cursors import CursorPlace, Cursors
from tests.cinema.services.asking import Asker, Reply

MOMENT = datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.fixture
async def database(memes_url: str) -> AsyncIterator[Database]:
    """Open the database beside the service."""
    opened = open_database(memes_url, 1)
    yield opened
    await opened.close()


def row(seconds: float) -> dict[str, Any]:
    meme_id = str(uuid4())
    moment = MOMENT + timedelta(seconds=seconds)
    return {
        "id": meme_id,
        "title": "abc",
        "description": "abc",
        "image_name": f"{meme_id}.png",
        "created_at": moment,
    }


def order(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in sorted(rows, key=lambda one: (one["created_at"], one["id"]), reverse=True)]


async def add(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(meme), rows)

    await database.write(work)


async def drop(database: Database, meme_id: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(delete(meme).where(meme.c.id == meme_id))

    await database.write(work)


def target(reply: Reply, rel: str) -> str | None:
    found = re.search(rf'<([^>]+)>; rel="{rel}"', reply.headers["link"])
    return found and found[1]


async def test_a_walk_by_cursor_is_exact_while_the_list_changes(memes: Asker, database: Database) -> None:
    """Contract 6: what was there at the start and stays is seen once, in order, also among equal moments."""
    rng = random.Random(7)
    rows = [row(rng.randrange(4)) for _ in range(60)]
    await add(database, rows)
    there = order(rows)
    seen: list[str] = []
    dropped: set[str] = set()
    place: str | None = "/api/memes?limit=7&kept=a%20b"
    while place is not None:
        reply = await memes(place)
        seen += [one["id"] for one in reply.json]
        place = target(reply, "next")
        assert "prev" not in reply.headers["link"]
        assert "last" not in reply.headers["link"]
        assert place is None or "kept=a+b&limit=7&cursor=" in place
        await add(database, [row(rng.randrange(6))])
        gone = rng.choice([*seen[-2:], *there])  # the place of the cursor too
        dropped.add(gone)
        await drop(database, gone)

    stayed = [one for one in there if one not in dropped]
    assert [one for one in seen if one in stayed] == stayed
    assert len(seen) == len(set(seen))


async def test_offsets_count_and_all_four_links_carry_them(memes: Asker, database: Database) -> None:
    """Contract 1.3 and 6: exact totals; ties by id descending."""
    rows = [row(0) for _ in range(12)]
    await add(database, rows)
    whole = await memes("/memes")
    middle = await memes("/memes/?limit=5&limit=4&offset=4")
    past = await memes("/memes?offset=2147483647&limit=100")

    assert [one["id"] for one in whole.json] == order(rows)
    assert [one["id"] for one in middle.json] == order(rows)[4:8]
    assert {rel: target(middle, rel) for rel in ("first", "prev", "next", "last")} == {
        "first": "/memes?limit=4&offset=0",
        "prev": "/memes?limit=4&offset=0",
        "next": "/memes?limit=4&offset=8",
        "last": "/memes?limit=4&offset=8",
    }
    assert (past.status, past.json, target(past, "next")) == (200, [], None)
    assert target(past, "prev") == target(past, "last") == "/memes?limit=100&offset=0"
    assert {one.headers["x-total-count"] for one in (whole, middle, past)} == {"12"}


async def test_links_stay_short_whatever_a_request_says(memes: Asker, database: Database) -> None:
    """T18: the head of an answer is not the client's to fill; of the links, those stay that a walk needs most."""
    await add(database, [row(0) for _ in range(9)])

    some = await memes("/memes?limit=2&offset=4&x=" + "'" * 700)
    many = await memes("/memes?limit=2&offset=4&x=" + "'" * 7_900)

    assert {rel: bool(target(some, rel)) for rel in ("first", "prev", "next", "last")} == {
        "first": True,
        "prev": True,
        "next": True,
        "last": False,
    }
    assert (many.status, len(many.json), many.headers["link"]) == (200, 2, "")


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_is_read_as_it_was_written(moment: datetime, meme_id: UUID) -> None:
    """T9: and by nobody who does not know the secret."""
    place = CursorPlace(moment, str(meme_id))
    cursor = Cursors("a secret").write(place)

    assert Cursors("a secret").read(cursor) == place
    assert Cursors("another").read(cursor) is None


@given(st.integers(0, 47), st.sampled_from("AZaz09-_"))
def test_t9_a_cursor_that_was_changed_is_none(index: int, letter: str) -> None:
    """T9: cursors are signed."""
    cursor = Cursors("a secret").write(CursorPlace(MOMENT, str(UUID(int=7))))
    changed = cursor[:index] + letter + cursor[index + 1 :]

    assert changed == cursor or Cursors("a secret").read(changed) is None


@pytest.mark.parametrize("more", ["=", "==", "!", "\n", "%", "AAAA"])
@pytest.mark.parametrize("place", [0, 20, 48])
def test_t9_a_cursor_with_something_added_is_none(place: int, more: str) -> None:
    """T9: the decoder passes over what is no letter of its alphabet, and over padding."""
    cursor = Cursors("a secret").write(CursorPlace(MOMENT, str(UUID(int=7))))

    assert Cursors("a secret").read(cursor[:place] + more + cursor[place:]) is None


@pytest.mark.parametrize("moment", [2**62, -(2**62), 253_402_300_800_000_000])
async def test_t9_a_cursor_of_no_moment_is_none(memes_url: str, memes: Asker, moment: int) -> None:
    """T9 and contract 6: the default address of a database is no secret, and whoever knows it can sign anything."""
    secret = Cursors(memes_url)
    plain = moment.to_bytes(8, "big", signed=True) + UUID(int=7).bytes
    cursor = base64.urlsafe_b64encode(plain + secret._signature(plain)).decode()  # noqa: SLF001

    reply = await memes(f"/api/memes?cursor={cursor}")

    assert (reply.status, reply.json["errors"][0]["loc"]) == (422, ["query", "cursor"])


@given(st.text())
def test_whatever_is_no_cursor_is_told_from_one(text: str) -> None:
    """Contract 6: malformed is 422, so it is told and never fails otherwise."""
    assert Cursors("a secret").read(text) is None


@pytest.mark.parametrize(
    "said", ["1_0", "%201", "1%20", "%2B1", "+1", "1.0", "1e1", "0x1", "", "%D9%A1", "--1"]
)
async def test_a_number_is_digits_and_nothing_else(memes: Asker, said: str) -> None:
    """Contract 6: 422 for what is no integer; Pydantic reads more into a text than people do."""
    for name in ("limit", "offset"):
        answer = await memes(f"/api/memes?{name}={said}")

        assert (answer.status, answer.json["errors"][0]["loc"]) == (422, ["query", name])
