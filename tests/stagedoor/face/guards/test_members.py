"""Members of a club: typed claims, answers that are nobody else's, documents and settings that tell of guards."""

import asyncio
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field, SecretStr, field_serializer
from typer.testing import CliRunner

from stagedoor import ApiKeys, ApiKeySettings, Cache, Gateway, Jwt, JwtSettings, Problem, Sessions
from stagedoor._cli import app as command
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Stage
from tests.stagedoor.face.guards.tokens import SECRET, START, signed_with
from tests.stagedoor.face.members import Club, Ticket, app, bookings, club, members, partners

SHARED = {"CLUB_MEMBERS_SECRET": SECRET, "CLUB_MEMBERS_AUDIENCE": "club"}


async def test_claims_reach_parts_typed() -> None:
    """Issue 14, row 4: the example of the issue."""
    async with Stage(app) as stage:
        stage[bookings].when("/bookings/ann").says([{"title": "Totoro", "seat": 7}])
        answer = await stage.get("/club", **stage.credentials(members, "ann", plan="gold"))

        assert answer.read(Club) == Club(tickets=[Ticket(title="Totoro", seat=7)], plan="gold")
        assert answer.parts == {"tickets": "fresh", "plan": "fresh"}
        assert answer.header("cache-control") == "private, max-age=5"
        assert answer.header("vary") == "authorization"
        assert "authorization" not in stage[bookings].asked[0].headers


async def test_t4_one_member_never_sees_another_though_nothing_varies() -> None:
    """T4: the subject is the identity of every answer; two tokens of one member share what is kept."""
    async with Stage(app) as stage:
        stage[bookings].when("/bookings/ann").says([{"title": "a", "seat": 1}])
        stage[bookings].when("/bookings/bob").says([{"title": "b", "seat": 2}])
        ann = [stage.credentials(members, "ann", jti=str(one)) for one in range(2)]
        bob = stage.credentials(members, "bob")
        answers = [await stage.get("/club", **one) for one in (ann[0], bob, ann[1], bob)]

        assert [one.read(Club).tickets[0].title for one in answers] == ["a", "b", "a", "b"]
        assert [one.header("cache-status").split("; ")[1] for one in answers] == [
            "fwd=miss",
            "fwd=miss",
            "hit",
            "hit",
        ]


async def test_t4_a_claim_that_a_part_reads_is_part_of_the_key() -> None:
    """One subject with another plan gets the answer of that plan."""
    async with Stage(app) as stage:
        stage[bookings].says([])
        plans = [
            (await stage.get("/club", **stage.credentials(members, "ann", plan=plan))).read(Club).plan
            for plan in ("basic", "gold", "basic")
        ]

        assert plans == ["basic", "gold", "basic"]


class Shown(BaseModel):
    """What a member is shown of their claims."""

    sub: str
    tenant: str = Field("", exclude=True)


class Pinned(BaseModel):
    """Claims of which one is a secret."""

    sub: str
    tenant: SecretStr = SecretStr("")


class Rounded(BaseModel):
    """Claims of which one is written with less than it says."""

    sub: str
    tenant: str = ""

    @field_serializer("tenant")
    def _first(self, said: str) -> str:
        return said[:1]


@pytest.mark.parametrize("model", [Shown, Pinned, Rounded])
async def test_t4_a_claim_that_is_not_written_is_part_of_the_key_all_the_same(model: Any) -> None:
    """T4: a model that hides a claim from answers knows it, and what is made with it differs by it."""
    known, app = Jwt("members", claims=model), Gateway("tenants", deadline=1)

    async def tenant(member: Any) -> str:
        found = member.tenant
        return found.get_secret_value() if isinstance(found, SecretStr) else str(found)

    tenant.__annotations__["member"] = Annotated[model, known]
    app.get("/tenant", cache=Cache(max_age=60))(tenant)
    async with Stage(app) as stage:
        fields = [stage.credentials(known, "ann", tenant=one) for one in ("red", "rose", "red")]
        answers = [await stage.get("/tenant", **one) for one in fields]

    assert [one.read(str) for one in answers] == ["red", "rose", "red"]
    assert answers[-1].header("cache-status").startswith("stagedoor; hit")


async def test_t4_subjects_of_two_issuers_are_two() -> None:
    """RFC 7519 4.1.2: a subject is unique for its issuer only."""
    async with Stage(app) as stage:
        stage[bookings].says([{"title": "a", "seat": 1}], [{"title": "b", "seat": 2}])
        answers = [
            await stage.get("/club", **stage.credentials(members, "ann", iss=issuer)) for issuer in ("x", "y")
        ]

        assert [one.read(Club).tickets[0].title for one in answers] == ["a", "b"]


async def test_t4_many_members_at_once_with_some_that_leave() -> None:
    """Issue 14, acceptance: mixed requests with random cancellation, none wrong (the deep test has 100,000)."""
    rng = random.Random(14)
    async with Stage(app) as stage:
        for one in range(50):
            said = [{"title": f"m{one}", "seat": one}]
            stage[bookings].when(f"/bookings/m{one}").after(0.001 * (one % 3)).says(said)
        brought = [stage.credentials(members, f"m{one}") for one in range(50)]

        async def ask(one: int) -> bool:
            headers = tuple((name.encode(), said.encode()) for name, said in brought[one].items())
            reply = await Client(stage.running).ask("/club", headers=headers)
            found: str = orjson.loads(reply.body)["tickets"][0]["title"]
            return found == f"m{one}"

        right = 0
        for _ in range(20):
            tasks = [asyncio.ensure_future(ask(rng.randrange(50))) for _ in range(50)]
            await asyncio.sleep(0)
            for task in rng.sample(tasks, 10):
                task.cancel()
            done = await stage.run(asyncio.gather(*tasks, return_exceptions=True))
            assert False not in done
            right += done.count(True)

        assert right >= 700


async def test_a_handler_and_a_public_route_beside_it() -> None:
    """A key lets a partner write; what has no guard is open."""
    async with Stage(app) as stage:
        stage[bookings].when("/bookings", "POST").says(status=201)
        ticket = {"title": "Totoro", "seat": 7}
        public = await stage.get("/open")
        without = await stage.post("/partners/bookings", ticket)
        as_member = await stage.post("/partners/bookings", ticket, **stage.credentials(members, "ann"))
        wrong = await stage.post("/partners/bookings", ticket, x_api_key="guess")
        broken = await stage.post("/partners/bookings", {"title": 1})
        asked = len(stage[bookings].asked)
        written = await stage.post("/partners/bookings", ticket, **stage.credentials(partners, "acme"))

        assert [one.status for one in (public, without, as_member, wrong, broken)] == [
            200,
            401,
            401,
            401,
            401,
        ]
        assert without.header("www-authenticate") == 'ApiKey realm="club"'
        assert asked == 0
        assert written.status == 201


async def test_real_tokens_count_beside_those_of_the_test() -> None:
    """A stage with a secret in its environment reads tokens as production does."""
    head, claims = {"alg": "HS256"}, {"sub": "ann", "aud": "club", "exp": START + 9, "scope": "club:read"}
    token = signed_with(SECRET.encode(), head, claims)
    async with Stage(app, environment=SHARED) as stage:
        stage[bookings].says([])
        good = await stage.get("/club", authorization=f"Bearer {token}")
        await stage.advance(9)
        late = await stage.get("/club", authorization=f"Bearer {token}")

        assert (good.status, late.status) == (200, 401)


async def test_a_leeway_lets_clocks_differ() -> None:
    """RFC 7519 4.1.4."""
    claims = {"sub": "ann", "aud": "club", "exp": START - 20, "nbf": START + 20, "scope": "club:read"}
    token = signed_with(SECRET.encode(), {"alg": "HS256"}, claims)
    for leeway, status in (("0", 401), ("20.5", 200)):
        async with Stage(app, environment=SHARED | {"CLUB_MEMBERS_LEEWAY": leeway}) as stage:
            stage[bookings].says([])

            assert (await stage.get("/club", authorization=f"Bearer {token}")).status == status


async def test_two_tokens_in_one_request_are_none() -> None:
    """Which of them would count is anybody's guess."""
    async with Stage(app, environment=SHARED) as stage:
        sent = ((b"authorization", b"Bearer a.b.c"),) * 2
        response = await stage.run(Client(stage.running).ask("/club", headers=sent))

        assert response.status == 401


async def test_t19_a_screen_without_the_web_asks_its_guard_too() -> None:
    """T19: a job that names no caller gets nothing that is somebody's."""
    async with Stage(app) as stage:
        stage[bookings].says([])
        field = stage.credentials(members, "ann", plan="gold")
        async with stage.running.request(headers=field):
            found = (await stage.run(club.run())).value
        async with stage.running.request():
            with pytest.raises(Problem) as nobody:
                await club.run()
        async with stage.running.request(headers=stage.credentials(members, "ann", scopes=set())):
            with pytest.raises(Problem) as unfit:
                await club.run()

        assert found.plan == "gold"
        assert (nobody.value.status, unfit.value.status) == (401, 403)


async def test_documents_say_who_may_come_in() -> None:
    """Issue 14: OpenAPI security schemes; 401 and 403 are among the answers."""
    async with Stage(app) as stage:
        said = orjson.loads((await stage.get("/openapi.json")).body)

        assert said["components"]["securitySchemes"] == {
            "members": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "partners": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        screen, book = said["paths"]["/club"]["get"], said["paths"]["/partners/bookings"]["post"]
        assert screen["security"] == [{"members": ["club:read"]}]
        assert book["security"] == [{"partners": []}]
        assert "security" not in said["paths"]["/open"]["get"]
        assert {"401", "403"} <= set(screen["responses"])
        assert "401" in book["responses"]
        assert "403" in book["responses"]  # to pages of other sites
        assert screen["parameters"] == []


def test_settings_list_the_guards() -> None:
    """Issue 14: by name, before anybody has to guess."""
    said = CliRunner().invoke(command, ["settings", "tests.stagedoor.face.members:app"]).output

    for name in ("JWKS_URL", "SECRET", "AUDIENCE", "ISSUER", "ALGORITHMS", "LEEWAY"):
        assert f"CLUB_MEMBERS_{name}" in said
    assert "CLUB_PARTNERS_KEYS_FILE" in said


LINE = "0" * 64 + " acme"
BAD: Mapping[str, tuple[Mapping[str, str], str]] = {
    "nothing": ({}, "CLUB_MEMBERS_JWKS_URL or CLUB_MEMBERS_SECRET"),
    "both": (
        {"CLUB_MEMBERS_SECRET": SECRET, "CLUB_MEMBERS_JWKS_URL": "https://x.example/"},
        "CLUB_MEMBERS_SECRET",
    ),
    "a short secret": ({"CLUB_MEMBERS_SECRET": "short"}, "CLUB_MEMBERS_SECRET: a secret has 32 bytes"),
    "a secret too short for the algorithm": (
        {"CLUB_MEMBERS_SECRET": SECRET, "CLUB_MEMBERS_ALGORITHMS": "HS512"},
        "CLUB_MEMBERS_SECRET: a secret has 64 bytes",
    ),
    "no address": ({"CLUB_MEMBERS_JWKS_URL": "keys"}, "CLUB_MEMBERS_JWKS_URL"),
    "a password in the address": (
        {"CLUB_MEMBERS_JWKS_URL": "https://ann:hidden@keys.example/"},
        "CLUB_MEMBERS_JWKS_URL",
    ),
    "none": (SHARED | {"CLUB_MEMBERS_ALGORITHMS": "none"}, "CLUB_MEMBERS_ALGORITHMS"),
    "published keys for a secret's algorithm": (
        {"CLUB_MEMBERS_JWKS_URL": "https://x.example/", "CLUB_MEMBERS_ALGORITHMS": "RS256,HS256"},
        "CLUB_MEMBERS_ALGORITHMS",
    ),
    "a secret for published keys' algorithm": (
        SHARED | {"CLUB_MEMBERS_ALGORITHMS": "RS256"},
        "CLUB_MEMBERS_ALGORITHMS",
    ),
    "a leeway that is none": (SHARED | {"CLUB_MEMBERS_LEEWAY": "a minute"}, "CLUB_MEMBERS_LEEWAY"),
    "a leeway of days": (SHARED | {"CLUB_MEMBERS_LEEWAY": "86400"}, "CLUB_MEMBERS_LEEWAY"),
    "a misspelt name": (SHARED | {"CLUB_MEMBERS_ISSUERS": "x"}, "did you mean CLUB_MEMBERS_ISSUER?"),
    "no file": (SHARED | {"CLUB_PARTNERS_KEYS_FILE": "/nowhere"}, "CLUB_PARTNERS_KEYS_FILE"),
    "a folder": (SHARED | {"CLUB_PARTNERS_KEYS_FILE": "/"}, "CLUB_PARTNERS_KEYS_FILE"),
    "a bad line": (SHARED | {"CLUB_PARTNERS_KEYS_FILE": "BAD"}, "CLUB_PARTNERS_KEYS_FILE: line 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_settings_that_cannot_work_end_the_start_by_name(name: str, tmp_path: Path) -> None:
    """A value that is no good is said with the variable that has it, and secrets are not repeated."""
    given, wanted = BAD[name]
    (tmp_path / "bad").write_text(f"{LINE}\nacme secret-in-plain\n")
    (tmp_path / "good").write_text(LINE)
    environment = {
        "CLUB_BOOKINGS_URL": "http://127.0.0.1:9",
        "CLUB_PARTNERS_KEYS_FILE": str(tmp_path / "good"),
        **given,
    }
    if environment["CLUB_PARTNERS_KEYS_FILE"] == "BAD":
        environment["CLUB_PARTNERS_KEYS_FILE"] = str(tmp_path / "bad")
    with pytest.raises(ConfigError) as refused:
        app.made(environment=environment)

    assert wanted in str(refused.value)
    for secret in ("short", "hidden", SECRET, "secret-in-plain"):
        assert secret not in str(refused.value).replace("a shorter one", "")


def test_a_gateway_of_documents_needs_no_keys() -> None:
    """DOCS_ONLY starts with nothing; what is guarded stays shut."""
    running = app.made(environment={"CLUB_DOCS_ONLY": "true"})

    assert "GET /club" in running.endpoints()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: settings_of(audience="shop"),
            r"JwtSettings\(audience=...\): a list of texts, and .*, as in \['shop'\]",
        ),
        (
            lambda: settings_of(algorithms="HS256"),
            r"JwtSettings\(algorithms=...\): a list of texts, .* in \['HS256'\]",
        ),
        (
            lambda: key_settings(lines="ab acme"),
            r"^ApiKeySettings\(lines=...\): a list of texts, and not one text$",
        ),
        (lambda: key_settings.of(acme=7), r"^ApiKeySettings.of\(acme=...\): a text, not int$"),
    ],
)
def test_a_text_in_place_of_a_list_is_refused(make: Callable[[], object], words: str) -> None:
    """T4: the audience 'shop' was that of tokens for 's', 'h', 'o' and 'p', and no longer of those for 'shop'."""
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize("kind", [Jwt, ApiKeys, Sessions])
def test_settings_of_another_kind_are_told_with_their_place(kind: Any) -> None:
    """They ended the start with an AttributeError of the kit's own."""
    with pytest.raises(TypeError, match=r"test_members\.py:\d+: settings is \w+Settings\(\.\.\.\), not dict"):
        kind("web", settings={"secret": "s" * 32})


key_settings: Any = ApiKeySettings


def settings_of(**said: Any) -> JwtSettings:
    return JwtSettings(secret="s" * 32, **said)
