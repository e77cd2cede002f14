"""What `cinema doctor` says of faults, each injected by itself, and that it says nothing else."""

import asyncio
import errno
import io
import json
import os
import ssl
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner

from cinema import __version__
from cinema.cli import app
from cinema.database import open_database
from cinema.database.migrate import migrate, upgrade
from cinema.doctor import asking, database_file, search
from cinema.doctor.certificates import of_certificates
from cinema.doctor.clocks import Clocks
from cinema.doctor.database import of_database
from cinema.doctor.examine import examine, of_workers
from cinema.doctor.finding import Finding, exit_code, lines_of, sorted_by_weight
from cinema.doctor.pictures import of_pictures
from cinema.doctor.places import of_places
from cinema.doctor.search import of_engine, of_index
from cinema.doctor.services import of_gateway, of_services
from cinema.doctor.shared_store import of_redis
from cinema.etl.manifest import Manifest, figures_key, text_of
from cinema.etl.run import run as run_etl
from cinema.etl.state import StateBroken, read_state
from cinema.services import SERVICES
from cinema.services.media import app as media_app
from cinema.settings import Settings
from stagedoor._cache.redis import RedisServer
from tests.cinema.doctor.backends import Talk, answering, http, speaking
from tests.cinema.services.asking import started
from tests.servers import LOOPBACK, S3_BUCKET, S3_KEY, S3_SECRET, Server, free_port

WELL: list[tuple[str, str]] = []
ENDS = datetime(2099, 5, 1, tzinfo=UTC)


def here(folder: Path, **said: object) -> Settings:
    """Return settings under a folder."""
    places = {
        "search_dir": folder / "index",
        "search_etl_state": folder / "state.json",
        "media_dir": folder / "media",
    }
    database = {"database_url": f"sqlite+aiosqlite:///{folder}/cinema.db"}
    return Settings(**{**places, **database, **said})  # type: ignore[arg-type]


def clocks() -> Clocks:
    return Clocks(time.time)


def seen(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(one.subject, one.kind) for one in findings]


async def migrated(url: str, to: str = "") -> None:
    database = open_database(url, 1)
    await database.write(partial(upgrade, to=to) if to else migrate)
    await database.close()


# --- the database --------------------------------------------------------------------------------------------------


async def test_a_database_that_is_as_it_should_be_is_not_mentioned(database_url: str, tmp_path: Path) -> None:
    """Issue 15.5: nothing when all is well, on either kind."""
    for settings in (here(tmp_path, database_url=database_url), here(tmp_path)):
        await migrated(settings.database_url)

        assert seen(await of_database(settings, clocks())) == WELL


async def test_a_database_that_is_down_or_refuses_us_is_named_so(postgres: Server, tmp_path: Path) -> None:
    """Issue 15.5: down, no such database, and a user that the server does not know."""
    down = here(tmp_path, database_url=f"postgresql+asyncpg://a@{LOOPBACK}:{free_port()}/b")
    other = here(tmp_path, database_url=postgres.url.removesuffix("postgres") + "nowhere")
    stranger = here(tmp_path, database_url=postgres.url.replace("postgres@", "stranger@"))
    unknown = await of_database(here(tmp_path, database_url="postgresql+asyncpg://a@h.invalid/b"), clocks())

    assert (seen(unknown), unknown[0].said) == ([("database", "down")], "its host cannot be resolved")
    assert seen(await of_database(down, clocks())) == [("database", "down")]
    assert seen(await of_database(other, clocks())) == [("database", "missing")]
    assert seen(await of_database(stranger, clocks())) == [("database", "credentials")]


async def test_tables_of_another_release_are_named_with_the_way_out(tmp_path: Path) -> None:
    """Issue 15.5: migrations missing; and a database that is ahead of the program is no matter of migrations."""
    old, ahead = here(tmp_path), here(tmp_path, database_url=f"sqlite+aiosqlite:///{tmp_path}/ahead.db")
    await migrated(old.database_url, "0001")
    await migrated(ahead.database_url)
    database = open_database(ahead.database_url, 1)
    await database.write(lambda one: one.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    found = await of_database(old, clocks())

    assert seen(found) == [("database", "migrations")]
    assert "cinema migrate" in found[0].remedy
    assert seen(await of_database(ahead, clocks())) == [("database", "version")]


async def test_a_file_that_is_missing_or_damaged_is_named_so(tmp_path: Path) -> None:
    """Issue 15.5: each with what to do."""
    settings = here(tmp_path)
    missing = await of_database(settings, clocks())
    (tmp_path / "cinema.db").write_bytes(b"SQLite format 3\x00" + b"rubbish" * 1_000)

    assert seen(missing) == [("database", "missing")]
    assert seen(await of_database(settings, clocks())) == [("database", "damaged")]


async def test_a_page_that_is_none_is_named_and_so_are_tables_that_somebody_dropped(tmp_path: Path) -> None:
    """Issue 15.5: the file opens, and a migration finds nothing to do; both were told by nobody, or in vain."""
    settings = here(tmp_path)
    await migrated(settings.database_url)
    whole = (tmp_path / "cinema.db").read_bytes()
    (tmp_path / "cinema.db").write_bytes(whole[:8_192] + bytes(8_192) + whole[16_384:])
    spoilt = await of_database(settings, clocks())
    (tmp_path / "cinema.db").write_bytes(whole)
    database = open_database(settings.database_url, 1)
    await database.write(lambda one: one.exec_driver_sql("DROP TABLE meme"))
    await database.close()
    dropped = await of_database(settings, clocks())

    assert (seen(spoilt), spoilt[0].said[-22:]) == (
        [("database", "damaged")],
        "part of it cannot be read"[-22:],
    )
    assert seen(dropped) == [("database", "damaged")]
    assert "cinema migrate" not in dropped[0].remedy


async def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    """Issue 15.5: a pipe in the place of a file is waited at for ever."""
    settings = here(tmp_path)
    os.mkfifo(tmp_path / "cinema.db")
    os.mkfifo(tmp_path / "state.json")

    assert seen(await of_database(settings, clocks())) == [("database", "read_only")]
    assert seen([*of_places(settings, least=0)]) == [("SEARCH_ETL_STATE", "setting")]
    with pytest.raises(StateBroken, match="not a pipe"):
        read_state(tmp_path / "state.json")


async def test_what_may_not_be_looked_at_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 15.5: the doctor ended with the system's words, and without JSON."""
    settings = here(tmp_path / "closed")
    monkeypatch.setattr(database_file, "refusal", lambda _: errno.EACCES)

    assert await of_database(settings, clocks()) == []


async def test_an_index_that_may_not_be_written_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 15.5: it is there; building it anew was the remedy."""
    monkeypatch.setattr(search, "refusal", lambda _: errno.EROFS)

    assert await of_engine(here(tmp_path), clocks()) == []


@pytest.mark.parametrize(("query", "kind"), [("", "port_taken"), ("?sslmode=require", "down")])
async def test_what_is_no_postgresql_is_another_program(query: str, kind: str, tmp_path: Path) -> None:
    """Issue 15.5: port taken. Asked for TLS it said neither yes nor no, which was told as a matter of sslmode."""
    with speaking(lambda _: http(400, {})) as port:
        settings = here(tmp_path, database_url=f"postgresql+asyncpg://a@{LOOPBACK}:{port}/b{query}")
        found = await of_database(settings, clocks())

    assert seen(found) == [("database", kind)]
    assert "no PostgreSQL" in found[0].said


# --- Redis ---------------------------------------------------------------------------------------------------------


async def test_redis_is_named_down_or_refusing_and_else_not_at_all(valkey: Server, tmp_path: Path) -> None:
    """Issue 15.5: wrong credentials, and down."""
    well = here(tmp_path, redis_url=valkey.url)
    wrong = here(tmp_path, redis_url=valkey.url.replace("://", "://somebody:secret@"))
    down = here(tmp_path, redis_url=f"redis://{LOOPBACK}:{free_port()}/0")

    assert seen(await of_redis(well, clocks())) == WELL
    assert seen(await of_redis(here(tmp_path), clocks())) == WELL
    refused = await of_redis(wrong, clocks())
    assert seen(refused) == [("redis", "credentials")]
    assert "secret" not in lines_of(refused, as_json=True)
    assert seen(await of_redis(down, clocks())) == [("redis", "down")]


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ("+@all -@dangerous", WELL),
        ("+@all -info", WELL),
        ("+@all -@scripting", [("redis", "credentials")]),
    ],
)
async def test_a_user_of_redis_needs_the_rights_of_a_gateway_and_no_others(
    valkey: Server, tmp_path: Path, rights: str, said: list[tuple[str, str]]
) -> None:
    """Issue 15.5: INFO is among the dangerous ones, which nobody gives a gateway; that is no finding."""
    server = RedisServer(valkey.url)
    await server.told(("ACL", "SETUSER", "ann", "reset", "on", ">hidden", "~*", "&*", *rights.split()))
    try:
        settings = here(tmp_path, redis_url=valkey.url.replace("://", "://ann:hidden@"))
        found = await of_redis(settings, clocks())
    finally:
        await server.told(("ACL", "DELUSER", "ann"))

    assert seen(found) == said


async def test_a_redis_that_is_too_old_is_named_so(tmp_path: Path) -> None:
    """Issue 15.5: wrong version; the commands that are used came with 6.2."""

    def talk(piece: bytes) -> bytes:
        if b"INFO" in piece:
            return b"$22\r\nredis_version:5.0.14\r\n\r\n"
        return b"*2\r\n:%d\r\n:0\r\n" % time.time()

    with speaking(talk) as port:
        found = await of_redis(here(tmp_path, redis_url=f"redis://{LOOPBACK}:{port}/0"), clocks())

    assert seen(found) == [("redis", "version")]


async def test_what_is_no_redis_is_another_program(tmp_path: Path) -> None:
    """Issue 15.5: port taken; it answers, and so is not down."""
    with speaking(lambda _: http(400, {})) as port:
        found = await of_redis(here(tmp_path, redis_url=f"redis://{LOOPBACK}:{port}/0"), clocks())

    assert seen(found) == [("redis", "port_taken")]


# --- search --------------------------------------------------------------------------------------------------------

NODE = {"version": {"number": "3.8.0", "distribution": "opensearch"}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, NODE, None),
        (401, {}, "credentials"),
        (403, {}, "credentials"),
        (200, {"version": {"number": "7.9.3"}}, "version"),
        (200, {"version": {"number": "1.3.0", "distribution": "opensearch"}}, "version"),
        (200, {"hello": "world"}, "version"),
        (200, {"version": "8"}, "version"),
        (200, {**NODE, "status": "red"}, "ill"),
        (200, {**NODE, "status": "yellow"}, None),
        (503, {}, "ill"),
    ],
)
async def test_an_engine_is_named_for_what_it_says(
    status: int, body: dict[str, object], kind: str | None, tmp_path: Path
) -> None:
    """Issue 15.5: wrong credentials, wrong version, and something else altogether."""
    with answering(status, body) as url:
        found = await of_engine(here(tmp_path, search_url=url), clocks())

    assert [one.kind for one in found] == ([kind] if kind else [])


@pytest.mark.parametrize(("status", "said"), [(200, WELL), (403, [("search", "credentials")])])
async def test_a_user_of_the_engine_may_be_let_into_the_indices_alone(
    tmp_path: Path, status: int, said: list[tuple[str, str]]
) -> None:
    """Issue 15.5: managed engines tell a reader nothing of themselves; that is no finding."""
    of_index = http(status, {})
    with speaking(lambda piece: of_index if b"_search" in piece else http(403, {})) as port:
        found = await of_engine(here(tmp_path, search_url=f"http://{LOOPBACK}:{port}"), clocks())

    assert seen(found) == said


async def test_an_engine_that_is_down_is_named_so(tmp_path: Path) -> None:
    """Issue 15.5: down."""
    found = await of_engine(here(tmp_path, search_url=f"http://{LOOPBACK}:{free_port()}"), clocks())

    assert seen(found) == [("search", "down")]


def test_an_index_that_is_missing_or_behind_is_named_so(tmp_path: Path) -> None:
    """Issue 15.5: none at all, well, then behind by changes that nobody carries."""
    settings = here(tmp_path)
    asyncio.run(migrated(settings.database_url))
    missing = asyncio.run(_of_search(settings))
    run_etl(settings)
    well = asyncio.run(_of_search(settings))
    asyncio.run(_changed(settings.database_url, "2020-01-01"))

    assert missing == [("search index", "index_missing")]
    assert well == WELL
    assert asyncio.run(_of_search(settings)) == [("search index", "index_behind")]


async def test_an_etl_on_another_machine_that_has_ended_is_named_so(valkey: Server, tmp_path: Path) -> None:
    """Issue 15.5: nothing of it lies here; what it told Redis last is a minute old."""
    settings = here(tmp_path, redis_url=valkey.url)
    await migrated(settings.database_url)
    server = RedisServer(valkey.url, prefix="cinema")
    found = []
    for ago in (3.0, 60.0):
        text = text_of(Manifest(alive=time.time() - ago))
        await server.told(("SET", figures_key(server.prefix), text))
        found.append(seen(await of_index(settings)))

    assert found == [WELL, [("etl", "down")]]


async def _of_search(settings: Settings) -> list[tuple[str, str]]:
    return [*seen(await of_engine(settings, clocks())), *seen(await of_index(settings))]


async def _changed(url: str, day: str) -> None:
    """Change a film, long ago."""
    database = open_database(url, 1)
    key = "f0000000-0000-4000-8000-000000000000"
    moment = f"{day} 00:00:00.000000"
    row = f"INSERT INTO genre (id, name, created, modified) VALUES ('{key}', 'New', '{moment}', '{moment}')"
    await database.write(lambda one: one.exec_driver_sql(row))
    await database.write(lambda one: one.exec_driver_sql(f"UPDATE change_log SET changed_at = '{moment}'"))
    await database.close()


# --- pictures ------------------------------------------------------------------------------------------------------


async def test_the_store_of_pictures_is_named_for_what_it_says(s3: Server, tmp_path: Path) -> None:
    """Issue 15.5: well, down, refusing, without our bucket."""
    said = {
        "media_store": "s3",
        "media_s3_endpoint": s3.url,
        "media_s3_bucket": S3_BUCKET,
        "media_s3_region": "us-east-1",
        "media_s3_access_key": S3_KEY,
        "media_s3_secret_key": S3_SECRET,
    }
    cases = [
        ({}, WELL),
        ({"media_s3_endpoint": f"http://{LOOPBACK}:{free_port()}"}, [("picture store", "down")]),
        ({"media_s3_secret_key": "wrong"}, [("picture store", "credentials")]),
        ({"media_s3_bucket": "nowhere"}, [("picture store", "missing")]),
    ]
    for change, expected in cases:
        assert seen(await of_pictures(here(tmp_path, **{**said, **change}), clocks())) == expected
    assert seen(await of_pictures(here(tmp_path), clocks())) == WELL


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_store_that_fails_is_named_so_and_not_something_else(status: int, tmp_path: Path) -> None:
    """Issue 15.5: nginx answers for both nodes of the store, also where neither is there."""
    s3 = {f"media_s3_{name}": "a" for name in ("bucket", "region", "access_key", "secret_key")}
    with answering(status, {}) as url:
        found = await of_pictures(here(tmp_path, media_store="s3", media_s3_endpoint=url, **s3), clocks())

    assert seen(found) == [("picture store", "ill")]
    assert str(status) in found[0].said


# --- processes -----------------------------------------------------------------------------------------------------


async def test_services_are_named_for_what_they_say(tmp_path: Path) -> None:
    """Issue 15.5: well, another release, another program on the port, down."""
    about = {name: {"name": one.title, "version": __version__} for name, one in SERVICES.items()}
    about["users"]["version"] = "0.9.0"
    about["orders"]["name"] = "somebody else"
    with ExitStack() as stack:
        urls = {name: stack.enter_context(answering(200, told)) for name, told in about.items()}
        urls["products"] = f"http://{LOOPBACK}:{free_port()}"
        settings = here(tmp_path, **{SERVICES[name].setting.lower(): url for name, url in urls.items()})
        found = await of_services(settings, clocks())

    assert seen(sorted_by_weight(found)) == [
        ("orders", "port_taken"),
        ("users", "version"),
        ("products", "down"),
    ]


@pytest.mark.parametrize(("status", "kind"), [(502, "down"), (503, "down"), (404, "port_taken")])
async def test_a_proxy_that_answers_for_a_service_that_is_down_is_no_other_program(
    status: int, kind: str, tmp_path: Path
) -> None:
    """Issue 15.5: behind an ingress nobody refuses a connection; the service is down all the same."""
    about = {name: {"name": one.title, "version": __version__} for name, one in SERVICES.items()}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(answering(200, told)) for name, told in about.items()}
        urls["orders"] = stack.enter_context(answering(status, {}))
        settings = here(tmp_path, **{SERVICES[name].setting.lower(): url for name, url in urls.items()})
        found = await of_services(settings, clocks())

    assert seen(found) == [("orders", kind)]


async def test_what_speaks_no_http_on_a_port_is_another_program(tmp_path: Path) -> None:
    """Issue 15.5: port taken, by whatever it is."""
    with speaking(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        settings = here(tmp_path, gateway_port=port)
        found = await of_gateway(settings, clocks())

    assert seen(found) == [("gateway", "port_taken")]
    assert str(port) in found[0].remedy


async def test_a_gateway_is_asked_by_a_name_that_it_serves(tmp_path: Path) -> None:
    """Issue 15.5: by any other it answers 421, but for health, as if it were somebody else's."""
    about = http(200, {"service": "api-gateway", "version": __version__})
    named = (b"Host: b.example\r\n", b"GET /health/ready ")
    with speaking(lambda piece: about if any(one in piece for one in named) else http(421, {})) as port:
        settings = here(tmp_path, gateway_port=port, gateway_trusted_hosts="b.example,c.example")
        found = await of_gateway(settings, clocks())

    assert seen(found) == WELL


async def test_a_gateway_that_is_asked_too_often_is_ours_all_the_same(tmp_path: Path) -> None:
    """Issue 15.5: GATEWAY_RATE_LIMIT counts who looks at it as well."""
    refusal = http(429, {"type": "urn:problem-type:cinema:rate-limited", "status": 429})
    with speaking(lambda piece: refusal if piece.startswith(b"GET / ") else http(200, {})) as port:
        found = await of_gateway(here(tmp_path, gateway_port=port), clocks())

    assert seen(found) == WELL


async def test_a_certificate_that_nobody_believes_is_named_as_the_reason(tmp_path: Path) -> None:
    """Issue 15.5: it is not down, and starting it does not help."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(LOOPBACK).configure_cert(context)
    s3 = {f"media_s3_{name}": "a" for name in ("bucket", "region", "access_key", "secret_key")}
    with speaking(lambda _: b"", context) as port:
        url = f"https://{LOOPBACK}:{port}"
        settings = here(tmp_path, gateway_users_url=url, media_store="s3", media_s3_endpoint=url, **s3)
        found = [*await of_services(settings, clocks()), *await of_pictures(settings, clocks())]

    said = {one.subject: one.said for one in found}
    assert "certificate" in said["users"]
    assert "certificate" in said["picture store"]


async def test_a_token_that_the_media_service_refuses_is_named_so(tmp_path: Path) -> None:
    """Issue 15.5: wrong credentials among our own."""
    title, asked = SERVICES["media"].title, list[str]()
    with speaking(_media(title, asked)) as port:
        settings = here(tmp_path, media_url=f"http://{LOOPBACK}:{port}", media_token="wrong")
        found = await of_services(settings, clocks())
    async with started(media_app.build(here(tmp_path, media_token="right"), stream=io.BytesIO())) as ask:
        told = [
            await ask(asked[-1], headers={"authorization": f"Bearer {one}"}) for one in ("wrong", "right")
        ]

    assert [one for one in seen(found) if one[0] == "media"] == [("media", "credentials")]
    assert [one.status for one in told] == [401, 404]  # as the service itself answers that question


def _media(title: str, asked: list[str]) -> Talk:
    about, refusal = http(200, {"name": title, "version": __version__}), http(401, {})

    def talk(piece: bytes) -> bytes:
        asked.append(piece.split()[1].decode())
        return about if asked[-1] == "/" else refusal

    return talk


# --- all at once ---------------------------------------------------------------------------------------------------


async def test_what_hangs_is_told_from_what_is_down_within_seconds(tmp_path: Path) -> None:
    """Issue 15.5: each backend takes the question and says nothing, all of them at once."""
    with speaking(lambda _: b"") as port:
        address = f"http://{LOOPBACK}:{port}"
        settings = here(
            tmp_path,
            database_url=f"postgresql+asyncpg://a@{LOOPBACK}:{port}/b",
            redis_url=f"redis://{LOOPBACK}:{port}/0",
            search_url=address,
            media_store="s3",
            media_s3_endpoint=address,
            media_s3_bucket="a",
            media_s3_region="a",
            media_s3_access_key="a",
            media_s3_secret_key="a",
            gateway_port=port,
            **{one.setting.lower(): address for one in SERVICES.values()},
        )
        found = await examine(settings)

    everybody = {"database", "redis", "search", "picture store", "gateway", *SERVICES}
    assert {one.subject for one in found if one.kind == "hung"} == everybody
    assert len(found) == len(everybody)


async def test_folders_that_cannot_be_written_and_full_disks_are_named(tmp_path: Path) -> None:
    """Issue 15.5: read-only, full, a file in the way."""
    (tmp_path / "file").write_text("")
    well = [*of_places(here(tmp_path), least=0)]
    closed = [*of_places(here(tmp_path, media_dir="/proc/nobody/media"), least=0)]
    blocked = [*of_places(here(tmp_path, media_dir=tmp_path / "file" / "media"), least=0)]
    full = [*of_places(here(tmp_path), least=2**62)]

    assert seen(well) == WELL
    assert seen(closed) == [("MEDIA_DIR", "read_only")]
    assert seen(blocked) == [("MEDIA_DIR", "setting")]
    assert seen(full) == [("disk", "disk_full")]
    assert [exit_code(one) for one in (well, closed, full)] == [0, 73, 74]


def test_a_folder_behind_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    """Issue 15.5: a start refuses it, so the doctor names it; what is above the link may well be written."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "away").symlink_to("nowhere")
    found = [
        seen([*of_places(here(tmp_path, media_dir=tmp_path / name / "media"), least=0)])
        for name in ("loop", "away")
    ]

    assert found == [[("MEDIA_DIR", "setting")], [("MEDIA_DIR", "setting")]]


def test_a_clock_that_is_off_is_named_and_ours_if_all_others_agree() -> None:
    """Issue 15.5: half a minute; a second is none."""
    one, all_of_them, well = (Clocks(lambda: 1_000.0) for _ in range(3))
    for name, told in (("redis", 1_000.4), ("search", 1_030.0), ("users", None)):
        one.note(name, told)
    for name in ("redis", "search", "users"):
        all_of_them.note(name, 960.0)
        well.note(name, 1_001.0)

    assert [found.said for found in one.findings()] == ["that of search is 30 s ahead of this machine's"]
    assert [found.said for found in all_of_them.findings()] == ["this machine's is 40 s ahead of all others"]
    assert [*well.findings()] == []


async def test_a_certificate_that_ends_soon_is_named_with_its_day(tmp_path: Path) -> None:
    """Issue 15.5: of a door that was named, and of every address that speaks TLS."""
    certificate = trustme.CA().issue_cert(LOOPBACK, not_after=ENDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with speaking(lambda _: b"", context) as port:
        address = f"https://{LOOPBACK}:{port}"
        settings = here(tmp_path, search_url=address)
        early = await of_certificates(settings, [], ENDS.timestamp() - 20 * 86_400)
        soon = await of_certificates(here(tmp_path), [address], ENDS.timestamp() - 5 * 86_400)
        late = await of_certificates(settings, [], ENDS.timestamp() + 60)

    assert seen(early) == WELL
    assert [(one.subject, one.said.partition(" ends ")[2]) for one in soon] == [
        ("door", "in 5 days (2099-05-01)")
    ]
    assert [(one.kind, "has ended" in one.said) for one in late] == [("certificate", True)]


@pytest.mark.parametrize("kind", ["rediss://", "valkeys://", "rediss+cluster://", "rediss+sentinel://"])
async def test_a_certificate_of_redis_is_looked_at_however_it_is_addressed(kind: str, tmp_path: Path) -> None:
    """Issue 15.5: of every node of a cluster, and of sentinels."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(LOOPBACK, not_after=ENDS).configure_cert(context)
    with speaking(lambda _: b"", context) as port:
        path = "/films/0" if "sentinel" in kind else ""
        settings = here(tmp_path, redis_url=f"{kind}:hidden@{LOOPBACK}:{port}{path}")
        found = await of_certificates(settings, [], ENDS.timestamp() + 60)

    assert seen(found) == [("REDIS_URL", "certificate")]
    assert "hidden" not in lines_of(found, as_json=True)


async def test_an_address_that_is_none_is_named_and_what_only_looks_like_one_is_not_asked(
    tmp_path: Path,
) -> None:
    """Issue 15.5: origins of pages are no servers of ours, nor is a list of them an address."""
    doors = ["localhost:8443", "https://localhost:none"]
    settings = here(
        tmp_path,
        gateway_cors_origins="https://one.example:8443,https://two.example",
        sentry_dsn="https://key@sentry.example:none/1",
    )
    found = await of_certificates(settings, doors, 0.0)

    assert seen(found) == [("door", "setting"), ("door", "setting")]
    assert [one.said for one in found] == [f"{door!r} is no address" for door in doors]


async def test_who_answers_without_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 15.5: in time, and nobody reads on behind it: a process ends only with its threads."""
    monkeypatch.setattr(asking, "SECONDS", 0.2)
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        ending = asyncio.create_task(reader.read())
        while not ending.done():
            writer.write(b"x")
            await asyncio.wait({ending}, timeout=0.05)
        await asyncio.gather(ending, return_exceptions=True)
        left.set()
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
        reply = await asking.asked(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}")

        assert reply.lost == "hung"
        await asyncio.wait_for(left.wait(), 30.0)


# --- what is printed -----------------------------------------------------------------------------------------------


def test_what_is_found_is_told_in_words_and_in_json() -> None:
    """Issue 15.5: nothing when all is well, but an object for programs."""
    found = [Finding("redis", "down", "it does not answer", "Start it.")]

    assert lines_of([], as_json=False) == ""
    assert json.loads(lines_of([], as_json=True)) == {"findings": []}
    assert lines_of(found, as_json=False) == "redis: it does not answer\n    Start it."
    assert json.loads(lines_of(found, as_json=True))["findings"][0]["kind"] == "down"
    assert (exit_code([]), exit_code(found)) == (0, 69)


def test_a_setting_that_is_wrong_is_a_finding_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 16: exit code 78, and JSON where JSON was asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_PORT", "99999")
    said = CliRunner().invoke(app, ["doctor", "--json"])

    assert said.exit_code == 78
    assert json.loads(said.stdout)["findings"][0]["subject"] == "settings"
    assert "GATEWAY_PORT" in json.loads(said.stdout)["findings"][0]["said"]


@pytest.mark.parametrize(
    ("said", "notes"),
    [
        ({"gateway_workers": 2}, 1),
        ({"gateway_workers": 2, "redis_url": "redis://h"}, 0),
        ({"gateway_workers": 2, "docs_only": True}, 0),
        ({}, 0),
    ],
)
def test_what_workers_do_not_share_is_noted_and_is_no_fault(said: dict[str, object], notes: int) -> None:
    """Issue 16.A6: purges and limits are per process; whoever has chosen that is not woken for it."""
    found = [*of_workers(Settings.model_validate(said))]

    assert [one.kind for one in found] == ["note"] * notes
    assert all("one process only, unless REDIS_URL" in one.said for one in found)
    assert exit_code(found) == 0


async def test_settings_with_which_the_gateway_cannot_start_are_named_first(tmp_path: Path) -> None:
    """Issue 15.5, 16: each is right by itself; that nobody answers comes of it."""
    settings = here(tmp_path, docs_only=True, gateway_port=free_port(), gateway_rate_limits="/nowhere=1/1")
    found = await examine(settings)

    assert seen(found) == [("settings", "setting"), ("gateway", "down")]
    assert found[0].said.startswith("GATEWAY_RATE_LIMITS: ")
