"""The meme service's calls, over SQLite and PostgreSQL."""

import asyncio
import re
from uuid import uuid4

import pytest

from cinema.services.memes.models import Meme
from tests.cinema.services.asking import Asker
from tests.cinema.services.memes.forms import TEXTS, added, parts, send
from tests.cinema.services.memes.media import PNG, MediaStand


async def test_a_meme_has_the_shape_of_the_contract(memes: Asker, media: MediaStand) -> None:
    """Contract 6: 201, Location, an instant with an offset, a picture by name; the same on every later GET."""
    made = await added(memes, title="  Monday ")
    said = made.json
    read = await memes(f"/memes/{said['id'].upper()}/")

    assert (made.status, read.status) == (201, 200)
    assert made.headers["location"] == f"/api/memes/{said['id']}"
    assert list(said) == ["id", "title", "description", "created_at", "image_url"]
    assert (said["title"], said["description"]) == (TEXTS["title"], TEXTS["description"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", said["created_at"])
    assert said["image_url"].removeprefix("/api/files/") in media.files
    assert (read.body, read.headers["etag"]) == (made.body, made.headers["etag"])
    assert Meme.model_validate_json(read.body).created_at.tzinfo is not None


async def test_the_other_names_of_texts_are_taken_and_the_plain_ones_win(memes: Asker) -> None:
    """Contract 6: `meme_title` and `meme_description`; a refusal names what the client wrote."""
    other = await send(memes, "/memes", parts(meme_title="Tuesday", meme_description="one day later"))
    both = await send(memes, "/memes", parts(meme_title="no", title="Friday", meme_description="at last"))
    wrong = await send(memes, "/memes", parts(meme_title="no", description="at last"))

    assert [one.json["title"] for one in (other, both)] == ["Tuesday", "Friday"]
    assert (wrong.status, wrong.json["errors"][0]["loc"]) == (422, ["body", "meme_title"])


async def test_put_writes_both_texts_and_nothing_else(memes: Asker) -> None:
    """Contract 6: picture and created_at stay."""
    made = (await added(memes)).json
    put = await memes(
        f"/api/memes/{made['id']}",
        "PUT",
        b'{"title":" Friday ","description":"at last"}',
        {"content-type": "application/json"},
    )

    assert (put.status, put.json) == (200, {**made, "title": "Friday", "description": "at last"})
    assert (await memes(f"/memes/{made['id']}")).json == put.json


@pytest.mark.parametrize("path", ["image", "update_image"])
async def test_another_picture_takes_the_place_of_the_first(
    memes: Asker, media: MediaStand, path: str
) -> None:
    """Contract 6: the new URL here and on every later GET; the old object is removed; the gateway is told its name."""
    made = (await added(memes)).json
    old = made["image_url"].removeprefix("/api/files/")
    patched = await send(memes, f"/memes/{made['id']}/{path}", parts(PNG + b"other"), "PATCH")

    assert patched.status == 200
    assert patched.json == {**made, "image_url": patched.json["image_url"]}
    assert patched.json["image_url"] != made["image_url"]
    assert (await memes(f"/memes/{made['id']}")).json == patched.json
    assert list(media.files.values()) == [PNG + b"other"]
    assert patched.headers["stagedoor-purge"] == f"file:{old}"


async def test_a_deleted_meme_takes_its_picture_along(memes: Asker, media: MediaStand) -> None:
    """Contract 6: 204 without a body; unknown afterwards."""
    made = (await added(memes)).json
    deleted = await memes(f"/memes/{made['id']}", "DELETE")
    again = await memes(f"/memes/{made['id']}", "DELETE")

    assert (deleted.status, deleted.body) == (204, b"")
    assert media.files == {}
    assert (again.status, again.json["detail"]) == (404, f'Meme with id "{made["id"]}" not found')


async def test_an_unknown_meme_is_not_found(memes: Asker, media: MediaStand) -> None:
    """Contract 6: on every call that names one; nothing is uploaded for it."""
    target = f"/memes/{uuid4()}"
    body, kind = b'{"title":"abc","description":"abc"}', {"content-type": "application/json"}
    replies = [await memes(target, method, body, kind) for method in ("GET", "PUT", "DELETE")]
    replies.append(await send(memes, f"{target}/image", parts(), "PATCH"))

    said = f'Meme with id "{target.removeprefix("/memes/")}" not found'
    assert [(reply.status, reply.json["detail"]) for reply in replies] == [(404, said)] * 4
    assert media.uploads == 0


async def test_writes_honour_if_match(memes: Asker, media: MediaStand) -> None:
    """Contract 6 and RFC 9110 13.1.1: 412 for another state, strongly compared; nothing is left over."""
    made = await added(memes)
    target, tag = f"/memes/{made.json['id']}", made.headers["etag"]
    texts = {"content-type": "application/json"}
    body = b'{"title":"Friday","description":"at last"}'
    stale = [
        await memes(target, "PUT", body, {**texts, "if-match": '"other"'}),
        await memes(target, "PUT", body, {**texts, "if-match": f"W/{tag}"}),
        await memes(target, "DELETE", headers={"if-match": '"other"'}),
        await send(memes, f"{target}/image", parts(PNG), "PATCH", if_match='"other"'),
    ]
    good = await memes(target, "PUT", body, {**texts, "if-match": f'"other", {tag}'})
    any_state = await memes(target, "DELETE", headers={"if-match": "*"})

    assert [reply.status for reply in stale] == [412] * 4
    assert stale[0].json["type"] == "urn:problem-type:cinema:precondition-failed"
    assert (good.status, any_state.status, len(media.files)) == (200, 204, 0)


async def test_an_answer_that_the_client_has_is_not_sent_again(memes: Asker) -> None:
    """Contract 9: `no-cache` with a strong tag; 304."""
    made = await added(memes)
    for path in ("/memes", f"/memes/{made.json['id']}"):
        first = await memes(path)
        second = await memes(path, headers={"if-none-match": f'"x", W/{first.headers["etag"]}'})

        assert first.headers["cache-control"] == second.headers["cache-control"] == "no-cache"
        assert not first.headers["etag"].startswith("W/")
        assert (second.status, second.body, second.headers["etag"]) == (304, b"", first.headers["etag"])


async def test_two_writes_at_once_never_mix(memes: Asker) -> None:
    """Issue 13: both texts are of one of the two."""
    meme_id = (await added(memes)).json["id"]

    async def put(word: str) -> None:
        body = f'{{"title":"{word}","description":"{word}"}}'.encode()
        await memes(f"/memes/{meme_id}", "PUT", body, {"content-type": "application/json"})

    for _ in range(5):
        await asyncio.gather(*(put(word * 3) for word in "abcdef"))
        said = (await memes(f"/memes/{meme_id}")).json
        assert said["title"] == said["description"]


REFUSED = [
    ("DELETE", "/memes", 405, "GET, POST, HEAD"),
    ("BREW", "/api/memes/", 405, "GET, POST, HEAD"),
    ("PATCH", f"/memes/{uuid4()}", 405, "DELETE, GET, PUT, HEAD"),
    ("GET", f"/api/memes/{uuid4()}/image", 405, "PATCH"),
    ("GET", f"/memes/{uuid4()}/image", 405, "PATCH"),
    ("GET", "/memes/nobody", 422, None),
    ("GET", f"/memes/{uuid4().hex}", 422, None),
    ("GET", "/memes?limit=0", 422, None),
    ("GET", "/memes?limit=101", 422, None),
    ("GET", "/memes?offset=-1", 422, None),
    ("GET", "/memes?offset=2147483648", 422, None),
    ("GET", "/memes?cursor=x&offset=0", 422, None),
    ("GET", "/memes?cursor=", 422, None),
    ("GET", "/memes?cursor=%00%ff", 422, None),
]


async def test_h10_every_refusal_is_a_problem(memes: Asker) -> None:
    """H10 and contract 1.2, 1.4: one form; all methods of a path are named."""
    for method, path, status, allow in REFUSED:
        reply = await memes(path, method)

        assert (reply.status, reply.json["status"], reply.headers.get("allow")) == (status, status, allow)
        assert reply.headers["content-type"] == "application/problem+json"


TEXTS_REFUSED = [
    (b"{", "application/json", 400),
    (b"\xff", "application/json", 400),
    (b'{"title":"abc","description":"abc"}', "text/plain", 415),
    (b'{"title":"ab","description":"abc"}', "application/json", 422),
    (b'{"title":"   ab   ","description":"abc"}', "application/json", 422),
    (b'{"title":"abc","description":"a\\u0000c"}', "application/json", 422),
    (b'{"title":"abc","description":"a\\ud800c"}', "application/json", 422),
    (b'{"title":"abc","description":NaN}', "application/json", 422),
    (b'{"title":"abc","description":"abc","more":NaN}', "application/json", 422),
    (b'{"title":"abc","description":"abc","more":[-Infinity]}', "application/json", 422),
    (b'{"title":"abc","description":"abc","more":1e999}', "application/json", 422),
    (b'{"title":"abc","description":"abc","more":' + b"1" * 5_000 + b"}", "application/json", 422),
    ('{"title":"abc","description":"abc"}'.encode("utf-16"), "application/json", 400),
    (b'{"title":"abc","description":"a\xed\xa0\x80c"}', "application/json", 400),
    (b'{"title":"abc"}', "application/json", 422),
    (b'["abc"]', "application/json", 422),
    (b'{"title":"' + b"a" * 101 + b'","description":"abc"}', "application/json", 422),
    (b'{"title":"abc","description":"' + b"a" * 1_001 + b'"}', "application/json", 422),
    (b"[" * 100_000, "application/json", 400),
    (b" " * 300_000, "application/json", 413),
]


async def test_texts_are_held_to_the_contract(memes: Asker) -> None:
    """Contract 1.2 and 6: syntax is 400, content 422."""
    for body, kind, status in TEXTS_REFUSED:
        reply = await memes(f"/memes/{uuid4()}", "PUT", body, {"content-type": kind})

        assert (reply.status, reply.json["status"]) == (status, status), body[:60]


async def test_a_line_of_a_form_ends_as_one_of_json_does(memes: Asker) -> None:
    """Contract 6: browsers send two characters for it and count one, of the thousand that a description may have."""
    reply = await added(memes, description="one\r\n" + 996 * "x")

    assert (reply.status, reply.json["description"]) == (201, "one\n" + 996 * "x")


async def test_media_away_is_503_and_changes_nothing(memes: Asker, media: MediaStand) -> None:
    """Contract 6: POST and PATCH are 503, all else works, and what is to be removed is removed later."""
    made = (await added(memes)).json
    media.away = True
    post = await added(memes)
    patch = await send(memes, f"/memes/{made['id']}/image", parts(PNG), "PATCH")
    put = await memes(
        f"/memes/{made['id']}",
        "PUT",
        b'{"title":"abc","description":"abc"}',
        {"content-type": "application/json"},
    )
    listed = await memes("/memes")
    deleted = await memes(f"/memes/{made['id']}", "DELETE")

    assert [(one.status, one.json["component"]) for one in (post, patch)] == [(503, "media_service")] * 2
    assert int(post.headers["retry-after"]) >= 1
    assert (put.status, len(listed.json), deleted.status) == (200, 1, 204)
    assert listed.json[0]["image_url"] == made["image_url"]
    assert len(media.files) == 1


async def test_a_problem_names_the_path_as_it_was_asked_for(memes: Asker) -> None:
    """Contract 1.4, RFC 9457 3.1.5: unquoted it is no reference; the gateway says it in the same way."""
    paths = ["/api/memes/a%20b", "/api/memes/%D0%B6", "/nowhere%3Fx"]

    assert [(await memes(path)).json["instance"] for path in paths] == paths
