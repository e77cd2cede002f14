"""The wall: the page, and its forms without any script."""

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest

from cinema.services.memes import app as memes_app
from cinema.settings import Settings
from tests.cinema.services.asking import Asker, Reply, started
from tests.cinema.services.memes.forms import TEXTS, added, parts, send
from tests.cinema.services.memes.media import PNG, MediaStand

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
EVIL = '"><script>alert(1)</script>&<b'


class Seen(HTMLParser):
    """What a browser would load, and where forms lead."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.forms: list[str] = []
        self.alerts = 0
        self.scripts = 0
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.sources += [str(said[name]) for name in ("src", "href") if said.get(name)]
        self.forms += [str(said["action"])] if tag == "form" else []
        self.alerts += said.get("role") == "alert"
        self.scripts += tag == "script"


async def posted(memes: Asker, target: str, **fields: str) -> Reply:
    """Send a form as a browser does."""
    headers = {"accept": BROWSER, "content-type": "application/x-www-form-urlencoded"}
    return await memes(target, "POST", urlencode(fields).encode(), headers)


async def test_a_browser_gets_the_page_and_all_others_json(memes: Asker) -> None:
    """Contract 6: the one path varies by Accept; the other is for programs only."""
    page = await memes("/memes", headers={"accept": BROWSER})
    data = [
        await memes("/memes", headers=said)
        for said in ({}, {"accept": "*/*"}, {"accept": "application/json"})
    ]
    other = await memes("/api/memes", headers={"accept": BROWSER})
    again = await memes("/memes/", headers={"accept": BROWSER, "if-none-match": page.headers["etag"]})

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert {one.headers["content-type"] for one in (*data, other)} == {"application/json"}
    assert {one.headers["vary"] for one in (page, *data)} == {"Accept"}
    assert "vary" not in other.headers
    assert (again.status, page.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (b"title=%ffabc&description=abcd", 422),
        (b"title=abc&description=%ed%a0%80abc", 422),
        (b"title=abc&description=abcd&other=%ff", 303),
        (b"title=%D0%B0%D0%B1%D0%B2&description=abcd", 303),
        (b"title=\xffabc&description=abcd", 400),
        (b"title=abc&description=abcd" + b"&other=1" * 14, 303),
        (b"title=abc&description=abcd" + b"&other=1" * 15, 413),
    ],
)
async def test_a_form_is_refused_as_its_parts_are(memes: Asker, form: bytes, status: int) -> None:
    """Contract 6: a text that is no UTF-8 is 422 and over sixteen of them are 413, however they are written."""
    meme = (await added(memes)).json
    headers = {"accept": BROWSER, "content-type": "application/x-www-form-urlencoded"}

    assert (await memes(f"/memes/{meme['id']}/edit", "POST", form, headers)).status == status


async def test_t2_what_a_meme_says_is_text_and_nothing_else(memes: Asker) -> None:
    """T2, T21: escaped everywhere; style and script are known by their digests; nothing comes from elsewhere."""
    await added(memes, title=EVIL, description=EVIL)
    page = await memes("/memes", headers={"accept": BROWSER})
    seen, policy = Seen(page.body), page.headers["content-security-policy"]

    assert seen.scripts == 1
    assert all(source.startswith(("/", "#", "data:,")) for source in seen.sources)
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.body.decode(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")


async def test_texts_run_the_way_that_they_are_written(memes: Asker) -> None:
    """A title in Hebrew or Arabic stands to the right, with its signs in their places, and is typed like that."""
    await added(memes, title="שלום עולם!", description="مرحبا!")
    page = (await memes("/memes", headers={"accept": BROWSER})).body.decode()

    assert '<h2 dir="auto">שלום עולם!</h2><p dir="auto">مرحبا!</p>' in page
    assert page.count('dir="auto" value=') == 2
    assert page.count('maxlength="1000" dir="auto"') == 2


async def test_a_long_text_is_folded_and_can_be_unfolded(memes: Asker) -> None:
    """Issue 13: one long caption does not make a whole row of cards tall; all of it is there, without script."""
    for text in ("x" * 201, "a\n" * 6 + "b", "x" * 200, "a\n" * 5 + "b"):
        await added(memes, description=text)
    page = (await memes("/memes", headers={"accept": BROWSER})).body.decode()

    assert page.count('<details class="more">') == page.count('<p dir="auto" class="long">') == 2
    assert "x" * 201 in page


async def test_pages_follow_one_another(memes: Asker) -> None:
    """Contract 6: by cursor; thumbnails only."""
    for number in range(5):
        await added(memes, title=f"Number {number}")
    first = (await memes("/memes?limit=3", headers={"accept": BROWSER})).body.decode()
    (older,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = (await memes(older.replace("&amp;", "&"), headers={"accept": BROWSER})).body.decode()

    assert re.findall(r">Number (\d)</h2>", first + second) == list("43210")
    assert 'rel="next"' not in second
    assert "?width=320" in first


async def test_the_forms_work_without_script(memes: Asker, media: MediaStand) -> None:
    """Contract 6: 303 to the wall after each."""
    new = await send(memes, "/memes", parts(**TEXTS), accept=BROWSER)
    (meme,) = (await memes("/memes")).json
    target = f"/memes/{meme['id']}"
    edit = await posted(memes, f"{target}/edit/", title="Friday", description="one\r\ntwo")
    edited = (await memes(target)).json
    image = await send(memes, f"{target}/image", parts(PNG + b"other"), accept=BROWSER)
    delete = await posted(memes, f"{target}/delete")

    assert [(one.status, one.headers["location"]) for one in (new, edit, image, delete)] == [
        (303, "/memes")
    ] * 4
    assert (edited["title"], edited["description"]) == ("Friday", "one\ntwo")
    assert "stagedoor-purge" in image.headers
    assert (len((await memes("/memes")).json), media.files) == (0, {})


async def test_a_fault_comes_as_the_page_with_its_status(memes: Asker, media: MediaStand) -> None:
    """Contract 6: what was written is still there, and what is wrong is said."""
    (meme,) = [(await added(memes)).json]
    target = f"/memes/{meme['id']}"
    short = await send(memes, "/memes", parts(title="ab", description="A description"), accept=BROWSER)
    wrong = await send(memes, "/memes", parts(b"<svg/>", **TEXTS), accept=BROWSER)
    edit = await posted(memes, f"{target}/edit", title="Kept words", description="x")
    stale = await posted(memes, f"{target}/edit", title="abc", description="abc", if_match='"old"')
    unknown = await posted(memes, "/memes/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff/delete")
    media.away = True
    away = await send(memes, "/memes", parts(**TEXTS), accept=BROWSER)

    replies = (short, wrong, edit, stale, unknown, away)
    assert [one.status for one in replies] == [422, 415, 422, 412, 404, 503]
    assert [Seen(one.body).alerts for one in replies] == [1] * 6
    assert {one.headers["content-type"] for one in replies} == {"text/html; charset=utf-8"}
    assert (b"A description" in short.body, b"Kept words" in edit.body) == (True, True)
    assert away.headers["retry-after"] == "1"


@pytest.mark.parametrize("image", [None, b""])
async def test_what_was_written_is_kept_also_without_a_picture(memes: Asker, image: bytes | None) -> None:
    """Contract 6: a browser sends a form without a chosen file as a part without octets; the texts are not lost."""
    said = {"title": "Typed title", "description": "Typed description"}
    reply = await send(memes, "/memes", parts(image, **said), accept=BROWSER)

    assert reply.status == (422 if image is None else 415)
    assert (b'value="Typed title"' in reply.body, b"\nTyped description<" in reply.body) == (True, True)


async def test_a_fault_shows_the_form_of_a_meme_on_another_page(memes: Asker) -> None:
    """Contract 6: what was written in it is on the page that is answered, and only there is it open."""
    old = (await added(memes, title="The oldest")).json["id"]
    for number in range(24):
        await added(memes, title=f"Number {number}")
    edit = await posted(memes, f"/memes/{old}/edit", title="Typed title", description="x")
    image = await send(memes, f"/memes/{old}/image", parts(b"<svg/>"), accept=BROWSER)
    await posted(memes, f"/memes/{old}/delete")
    gone = await posted(memes, f"/memes/{old}/edit", title="Typed title", description="Typed words")
    other = await send(memes, f"/memes/{old}/image", parts(), accept=BROWSER)

    assert [one.status for one in (edit, image, gone, other)] == [422, 415, 404, 404]
    assert f'id="meme-{old}"' in (page := edit.body.decode())
    assert (page.count("<details open>"), page.count('value="Typed title"')) == (1, 1)
    assert page.count('class="card"') == 25
    assert image.body.count(b"<details open>") == 2
    assert b'<details class="panel" open>' in gone.body
    assert b"\nTyped words<" in gone.body
    assert b" open>" not in other.body


async def test_what_was_written_is_kept_while_the_database_is_away(media_url: str, log: io.BytesIO) -> None:
    """Contract 6: the page has no memes then, and so no form of theirs; what was written is not lost for it."""
    nowhere: Any = {"database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none", "memes": 0}
    async with started(memes_app.build(Settings(media_url=media_url, **nowhere), stream=log)) as memes:
        meme = "/memes/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
        edit = await posted(memes, f"{meme}/edit", title="Typed title", description="Typed words")
        page = await memes("/memes", headers={"accept": BROWSER})

    assert [(one.status, Seen(one.body).alerts) for one in (edit, page)] == [(503, 1)] * 2
    assert (b'value="Typed title"' in edit.body, b"\nTyped words<" in edit.body) == (True, True)
    assert b" open>" not in page.body


async def test_programs_that_post_are_told_in_their_own_form(memes: Asker) -> None:
    """Contract 6: the same path, without the wish for HTML."""
    made = await send(memes, "/memes", parts(**TEXTS))
    wrong = await send(memes, "/memes", parts(**{**TEXTS, "title": "ab"}), accept="*/*")

    assert (made.status, wrong.headers["content-type"]) == (201, "application/problem+json")


@pytest.mark.parametrize(("writers", "needs"), [("key", "an API key"), ("jwt", "a token")])
async def test_the_wall_hides_what_its_reader_may_not_do(
    memes_url: str, media_url: str, log: io.BytesIO, writers: str, needs: str
) -> None:
    """Contract 16: where writing takes a subject, who has none sees the memes, no form, and why; bounds are told."""
    auth: Any = {"gateway_auth": writers, "gateway_api_keys_file": "keys", "gateway_jwt_secret": "s" * 32}
    own: Any = {"media_token": "secret", "memes": 0, "media_max_bytes": 2_621_440}
    settings = Settings(database_url=memes_url, media_url=media_url, **own, **auth)
    async with started(memes_app.build(settings, stream=log)) as memes:
        await added(memes)
        stranger = await memes("/memes", headers={"accept": BROWSER})
        faulty = await memes("/memes?cursor=x", headers={"accept": BROWSER})
        known = await memes("/memes", headers={"accept": BROWSER, "stagedoor-subject": "a" * 32})

    assert [one.status for one in (stranger, faulty, known)] == [200, 422, 200]
    assert [len(Seen(one.body).forms) for one in (stranger, faulty, known)] == [0, 0, 4]
    assert b"Monday" in stranger.body
    assert known.body.count(b"up to 2.5 MiB<") == 2
    assert f"Adding and changing memes needs {needs}.".encode() in stranger.body
    assert b"needs" not in known.body
    assert stranger.headers["etag"] != known.headers["etag"]
