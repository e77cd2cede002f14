"""Guards on every kind of route, and what is refused at the start."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel

from stagedoor import Answer, ApiKeys, Cache, Gateway, Jwt
from stagedoor._face.guarding import private
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Stage
from tests.stagedoor.face.guards.tokens import ask_at_once


class Member(BaseModel):
    sub: str
    plan: str = "basic"


class Page(BaseModel):
    text: str


members = Jwt("members", claims=Member)
writers = Jwt("members", claims=Member, scopes={"write"})
partners = ApiKeys("partners", header="X-Partner")
app = Gateway("routes")
files = app.service("files")
app.proxy("/files/{name}", files, methods={"GET", "PUT"}, guard=partners)
app.proxy("/shown/{name}", files)


@app.get("/mine", cache=Cache(max_age=60))
async def mine(member: Annotated[Member, members]) -> Page:
    return await files.get(Page, "/pages/{}", member.sub)


@app.get("/kept", cache=Cache(max_age=60, key="kept"), guard=members)
async def kept() -> Page:
    return await files.get(Page, "/kept")


@app.get("/said", guard=members)
async def said() -> Answer[str]:
    return Answer("x", headers={"cache-control": "public, s-maxage=9, max-age=60"})


@app.get("/raw")
async def raw(claims: Annotated[dict[str, Any], members], name: Annotated[str, members]) -> list[Any]:
    return [name, sorted(claims)]


@app.put("/mine")
async def write(page: Page, member: Annotated[Member, writers]) -> Page:
    return Page(text=f"{member.sub}: {page.text}")


@app.delete("/mine", guard=writers)
async def drop() -> None:
    return None


pages = app.aggregate("/page", Page, cache=Cache(max_age=60, key="page"), guard=members)


@pages.part(cache=Cache(max_age=30))
async def text(name: Annotated[str, members]) -> str:
    return (await files.get(Page, "/pages/{}", name)).text


async def test_t4_a_kept_handler_is_kept_for_each_subject() -> None:
    """T4: also where nothing but the guard names who asks, and where the key is of the user's own choice."""
    async with Stage(app) as stage:
        for name in ("ann", "bob"):
            stage[files].when(f"/pages/{name}").says({"text": name})
        stage[files].when("/kept").says({"text": "1"}, {"text": "2"})
        brought = [stage.credentials(members, name) for name in ("ann", "bob", "ann", "bob")]
        said = {
            path: [(await stage.get(path, **one)).read(Page).text for one in brought]
            for path in ("/mine", "/page", "/kept")
        }

        assert said == {"/mine": ["ann", "bob"] * 2, "/page": ["ann", "bob"] * 2, "/kept": ["1", "2"] * 2}


async def test_t4_flights_of_two_subjects_are_two() -> None:
    """T4: single flight never joins two identities; it joins two requests of one."""
    async with Stage(app) as stage:
        stage[files].when("/kept").after(0.05).says({"text": "1"}, {"text": "2"})
        brought = [stage.credentials(members, name) for name in ("ann", "bob", "ann", "bob")]
        answers = [orjson.loads(one.body)["text"] for one in await ask_at_once(stage, brought, "/kept")]

        assert answers[0] == answers[2]
        assert answers[1] == answers[3]


def test_t18_a_quote_without_an_end_is_looked_at_once() -> None:
    """T18: from each sign in it what follows was looked at, twelve seconds for 64 KB of a service's."""
    said, start = b'max-age=5, no-cache="' + b'\\"' * 32_000, time.process_time()

    for end in (b"", b"\\"):
        assert private(((b"cache-control", said + end),)) == ((b"cache-control", b"private, " + said + end),)
    assert time.process_time() - start < 1.0


async def test_no_shared_cache_keeps_what_is_behind_a_guard() -> None:
    """RFC 9111 5.2.2.7: whatever a handler or a service said, it is private."""
    async with Stage(app) as stage:
        stage[files].says(b"x", headers={"cache-control": "Public, max-age=60", "vary": "accept"})
        handled = await stage.get("/said", **stage.credentials(members, "ann"))
        passed = await stage.get("/files/a", **stage.credentials(partners, "acme"))

        assert handled.header("cache-control") == "private, max-age=60"
        assert passed.header("cache-control") == "private, max-age=60"
        assert passed.header("vary") == "accept, x-partner"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("max-age=60", "private, max-age=60"),
        ('private="x-name", max-age=60', 'private, private="x-name", max-age=60'),  # of one field alone
        ('max-age=60, x="a, private"', 'private, max-age=60, x="a, private"'),
        ("Private, max-age=60", "Private, max-age=60"),
        ("no-store", "no-store"),
        ("", "private"),
    ],
)
async def test_t4_nor_one_that_obeys_another_field(said: str, left: str) -> None:
    """T4, RFC 9213: what speaks to CDNs and nginx alone, and overrules Cache-Control there, ends here."""
    targeted = {
        "cdn-cache-control": "max-age=600",
        "cloudflare-cdn-cache-control": "max-age=600",
        "example-cache-control": "max-age=600",
        "surrogate-control": "max-age=600",
        "x-accel-expires": "600",
    }
    async with Stage(app) as stage:
        stage[files].says(b"x", headers={"cache-control": said, **targeted})
        passed = await stage.get("/files/a", **stage.credentials(partners, "acme"))
        stage[files].says(b"x", headers=targeted)
        shown = await stage.get("/shown/a")

        assert passed.header("cache-control") == left
        assert [passed.header(name) for name in targeted] == [""] * len(targeted)
        assert shown.header("cdn-cache-control") == "max-age=600"  # everybody's: the service's own word


async def test_t4_a_proxy_is_guarded_and_keeps_the_key_to_itself() -> None:
    """T1, T4: the service does not see what let somebody in, whatever field it came in."""
    async with Stage(app) as stage:
        stage[files].says(b"x")
        refused = [await stage.get("/files/a"), await stage.put("/files/a", "x")]
        refused.append(await stage.get("/files/a", x_partner="k"))
        asked = len(stage[files].asked)
        passed = await stage.get("/files/a", **stage.credentials(partners, "acme"))

        assert [one.status for one in refused] == [401] * 3
        assert (asked, passed.status) == (0, 200)
        assert "x-partner" not in stage[files].asked[0].headers


async def test_t4_a_key_ends_here_on_routes_that_are_open_too() -> None:
    """T1, T4: a client brings its key along wherever it asks; the docs promise that credentials do not pass."""
    async with Stage(app) as stage:
        stage[files].says(b"x")
        await stage.get("/shown/a", **stage.credentials(partners, "acme"), x_other="1")

        assert "x-partner" not in stage[files].asked[0].headers
        assert stage[files].asked[0].headers["x-other"] == "1"


async def test_head_is_guarded_as_get_is_and_preflights_are_not() -> None:
    """RFC 9110 9.3.2; Fetch 4.8: a preflight brings no credentials."""
    environment = {"ROUTES_CORS_ORIGINS": "https://app.example"}
    async with Stage(app, environment=environment) as stage:
        client = Client(stage.running)
        head = await stage.run(client.ask("/mine", method="HEAD"))
        asks = (
            (b"origin", b"https://app.example"),
            (b"access-control-request-method", b"GET"),
            (b"access-control-request-headers", b"authorization,x-partner"),
        )
        preflight = await stage.run(client.ask("/mine", method="OPTIONS", headers=asks))
        refused = await stage.run(client.ask("/mine", headers=asks[:1]))
        fields = {name: said.lower() for name, said in preflight.headers}

        assert head.status == 401
        assert preflight.status == 204
        assert b"authorization" in fields[b"access-control-allow-headers"]
        assert b"x-partner" in fields[b"access-control-allow-headers"]
        assert dict(refused.headers)[b"access-control-allow-origin"] == b"https://app.example"


class Stamp(BaseModel):
    partner: str = ""
    member: str = ""


stamped = app.aggregate("/stamped", Stamp, guard=partners)
written = app.aggregate("/written", Stamp, guard=writers)


@stamped.part
async def partner(name: Annotated[str, partners]) -> str:
    return name


@written.part
async def member(name: Annotated[str, writers]) -> str:
    return name


@app.post("/run/{screen}")
async def run(screen: str) -> Stamp:
    """Run a screen behind a guard that does not stand before this route."""
    return (await (stamped if screen == "stamped" else written).run()).value


@pytest.mark.parametrize(("path", "who"), [("stamped", None), ("written", None), ("written", "ann")])
async def test_a_refusal_says_the_same_where_a_handler_runs_what_is_guarded(
    path: str, who: str | None
) -> None:
    """RFC 9110 11.6.1, RFC 6750 3.1: the challenge is that of the guard, and names the scopes that are missing."""
    async with Stage(app) as stage:
        brought = {} if who is None else stage.credentials(members, who)
        asked = [await stage.get(f"/{path}", **brought), await stage.post(f"/run/{path}", **brought)]

        assert asked[0].header("www-authenticate")
        assert asked[0].status == asked[1].status
        assert asked[0].header("www-authenticate") == asked[1].header("www-authenticate")


async def test_guards_of_one_name_share_settings_and_ask_for_scopes_of_their_own() -> None:
    """Reading is for members, writing for those that may."""
    async with Stage(app) as stage:
        reads, writes = stage.credentials(members, "ann"), stage.credentials(writers, "ann")
        refused = await stage.put("/mine", {"text": "x"}, **reads)
        written = await stage.put("/mine", {"text": "x"}, **writes)
        dropped = await stage.delete("/mine", **writes)

        assert refused.status == 403
        assert written.read(Page).text == "ann: x"
        assert dropped.status == 204


async def test_the_guard_answers_before_inputs_and_bodies_are_read() -> None:
    """T19: who is nobody learns nothing of what a route takes."""
    async with Stage(app) as stage:
        refused = await stage.put("/mine", ["no page"])

        assert refused.status == 401


async def test_claims_as_they_came_and_the_subject_alone() -> None:
    """Without a model there are still the claims and the name."""
    async with Stage(app) as stage:
        said = await stage.get("/raw", **stage.credentials(members, "ann", tenant=7))

        assert orjson.loads(said.body) == ["ann", ["scope", "sub", "tenant"]]


async def test_an_included_module_brings_its_guard() -> None:
    """Its settings take the prefix of the gateway that includes it."""
    whole = Gateway("whole")
    part = Gateway("part")

    @part.get("/in")
    async def inside(name: Annotated[str, members]) -> str:
        return name

    whole.include(part, prefix="/more")
    with pytest.raises(ConfigError, match="WHOLE_MEMBERS_JWKS_URL"):
        whole.made(environment={})
    async with Stage(whole) as stage:
        assert (await stage.get("/more/in")).status == 401
        assert (await stage.get("/more/in", **stage.credentials(members, "ann"))).read(str) == "ann"


def _two_guards(one: Gateway) -> None:
    @one.get("/x", guard=partners)
    async def x(member: Annotated[Member, members]) -> str:
        return member.sub


def _two_guards_in_arguments(one: Gateway) -> None:
    @one.get("/x")
    async def x(member: Annotated[Member, members], partner: Annotated[str, partners]) -> str:
        return member.sub + partner


def _two_guards_in_parts(one: Gateway) -> None:
    screen = one.aggregate("/x", Page)

    @screen.part
    async def text(name: Annotated[str, members], key: Annotated[str, partners]) -> str:
        return name + key


def _guard_beside_part(one: Gateway) -> None:
    screen = one.aggregate("/x", Page, guard=partners)

    @screen.part
    async def text(name: Annotated[str, members]) -> str:
        return name


def _scopes_of_two(one: Gateway) -> None:
    @one.get("/x", guard=writers)
    async def x(member: Annotated[Member, members]) -> str:
        return member.sub


def _another_type(one: Gateway) -> None:
    @one.get("/x")
    async def x(member: Annotated[Page, members]) -> str:
        return member.text


def _another_type_in_part(one: Gateway) -> None:
    screen = one.aggregate("/x", Page)

    @screen.part
    async def text(member: Annotated[int, partners]) -> str:
        return str(member)


def _in_the_path(one: Gateway) -> None:
    screen = one.aggregate("/x/{name}", Page)

    @screen.part
    async def text(name: Annotated[str, members]) -> str:
        return name


def _two_types(one: Gateway) -> None:
    class Both(BaseModel):
        text: str
        more: str = ""

    screen = one.aggregate("/x", Both)

    @screen.part
    async def text(member: Annotated[Member, members]) -> str:
        return member.sub

    @screen.part
    async def more(member: Annotated[str, members]) -> str:
        return member


def _one_name_for_two(one: Gateway) -> None:
    _two_routes(one, Jwt("same"), ApiKeys("same"))


def _one_name_for_two_fields(one: Gateway) -> None:
    _two_routes(one, ApiKeys("same"), ApiKeys("same", header="X-Other"))


def _two_routes(one: Gateway, first: Any, second: Any) -> None:
    @one.get("/x", guard=first)
    async def x() -> str:
        return ""

    @one.get("/y", guard=second)
    async def y() -> str:
        return ""


def _no_guard(one: Gateway) -> None:
    one.get("/x", guard="members")  # type: ignore[arg-type]


def _no_guard_of_a_proxy(one: Gateway) -> None:
    one.proxy("/x", one.service("s"), guard=True)  # type: ignore[arg-type]


def _no_name(_: Gateway) -> None:
    Jwt("Members!")


def _scopes_as_text(_: Gateway) -> None:
    Jwt("members", scopes="club:read")  # type: ignore[arg-type]


def _no_model(_: Gateway) -> None:
    Jwt("members", claims=dict)  # type: ignore[arg-type]


MISTAKES: Mapping[Any, str] = {
    _two_guards: "two different guards, 'partners' and 'members'",
    _two_guards_in_arguments: "two different guards, 'members' and 'partners'",
    _two_guards_in_parts: "two different guards",
    _guard_beside_part: "two different guards",
    _scopes_of_two: "two different guards",
    _another_type: "argument 'member' is Page, but the guard 'members' gives str or Member",
    _another_type_in_part: "argument 'member' is int, but the guard 'partners' gives str",
    _in_the_path: "argument 'name' is a name of the path, and names a guard",
    _two_types: "argument 'member' has another type or guard in another part",
    _one_name_for_two: "the guard 'same' is declared already",
    _one_name_for_two_fields: "the guard 'same' is declared already",
    _no_guard: "guard is a Jwt, ApiKeys or Sessions, not 'members'",
    _no_guard_of_a_proxy: "guard is a Jwt, ApiKeys or Sessions, not True",
    _no_name: "a guard's name is lower case",
    _scopes_as_text: "scopes is a set of words",
    _no_model: "claims is a pydantic model",
}


def _looked_at(one: Gateway, declare: Any) -> None:
    declare(one)
    one.looked_at(reachable=False)


@pytest.mark.parametrize("declare", MISTAKES, ids=lambda one: one.__name__.strip("_"))
def test_a_guard_that_cannot_be_meant_ends_the_start(declare: Any) -> None:
    """Two different ones on a route are an error at start; each is told with its place."""
    one = Gateway("mistaken")
    with pytest.raises(ConfigError) as told:
        _looked_at(one, declare)

    assert MISTAKES[declare] in str(told.value)
    assert "test_routes.py:" in str(told.value)


async def test_t4_a_public_answer_is_not_made_of_somebody_s() -> None:
    """T4: a kept handler without a guard would hand one member's screen to everybody."""
    one = Gateway("leak")
    screen = one.aggregate("/x", Page, guard=members)

    @screen.part
    async def text(name: Annotated[str, members]) -> str:
        return name

    @one.get("/open")
    async def opened() -> str:
        return (await screen.run()).value.text

    async with Stage(one) as stage:
        with pytest.raises(ConfigError, match="let it guard this route too"):
            await stage.get("/open", **stage.credentials(members, "ann"))
