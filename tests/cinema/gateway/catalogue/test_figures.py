"""What the gateway shows of the ETL."""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from cinema.etl.manifest import FinishedBatch, Manifest, manifest_path
from cinema.etl.purge import WithManifest
from cinema.gateway.catalogue.figures import Figures, over_redis
from cinema.gateway.catalogue.watch import BatchWatch
from cinema.indices import INDICES
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.redis import RedisServer
from stagedoor._call import Env
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import ManualClock
from tests.servers import Server

NAMES = ("movies", "genres", "persons")


def shown(figures: Figures) -> Mapping[str, float]:
    """Return the samples as they are scraped."""
    registry = CollectorRegistry()
    registry.register(figures)
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def documents(figures: Figures) -> list[float]:
    return [shown(figures)[f'etl_documents_total{{index="{name}"}}'] for name in NAMES]


def lags(figures: Figures) -> dict[str, float]:
    found = shown(figures)
    keys = {name: f'etl_lag_seconds{{index="{name}"}}' for name in NAMES}
    return {name: found[key] for name, key in keys.items() if key in found}


def test_before_any_batch_nothing_is_written_and_no_lag_known(clock: ManualClock) -> None:
    """Contract 15: the counters are there from the start."""
    assert documents(Figures(NAMES, clock)) == [0, 0, 0]
    assert lags(Figures(NAMES, clock)) == {}


def test_counters_never_fall_in_a_life_of_the_gateway(clock: ManualClock) -> None:
    """Contract 15: an ETL that begins anew, or a manifest that is lost for a while, takes nothing back."""
    figures = Figures(NAMES, clock)
    seen = []
    for manifest in (
        Manifest(1, documents={"movies": 5, "persons": 2}),
        Manifest(),
        Manifest(1, documents={"movies": 1}),
        Manifest(2, documents={"movies": 4, "persons": 1}),
    ):
        figures.hear(manifest)
        seen.append(documents(figures))

    assert seen == [[5, 0, 2], [5, 0, 2], [6, 0, 2], [9, 0, 3]]


def test_an_index_that_nobody_knows_is_not_shown(clock: ManualClock) -> None:
    """Contract 15: labels are bounded, whatever the file says."""
    figures = Figures(NAMES, clock)
    figures.hear(Manifest(1, documents={"others": 5}, lags={"others": 1.0}, behind={"others": 1.0}))

    assert len(shown(figures)) == 5


def test_e2_what_is_set_aside_is_counted(clock: ManualClock) -> None:
    """E2: a number that is above zero until somebody has mended the row."""
    figures = Figures(NAMES, clock)
    seen = [shown(figures)["etl_set_aside"]]
    for manifest in (Manifest(1, set_aside=2), Manifest(), Manifest(2)):
        figures.hear(manifest)
        seen.append(shown(figures)["etl_set_aside"])

    assert seen == [0, 2, 2, 0]


async def test_the_lag_grows_while_a_batch_is_held_up(clock: ManualClock) -> None:
    """Contract 15: an ETL that stands still although changes exist shows."""
    figures = Figures(NAMES, clock)
    figures.hear(Manifest(1, lags={"movies": 3.0, "genres": 0.0}, behind={"movies": clock.wall() - 10}))
    first = lags(figures)
    await clock.advance(30)
    later = lags(figures)
    figures.hear(Manifest(2, lags={"movies": 41.0, "genres": 0.0}))

    assert (first, later) == ({"movies": 10.0, "genres": 0.0}, {"movies": 40.0, "genres": 0.0})
    assert lags(figures) == {"movies": 41.0, "genres": 0.0}


async def test_the_watch_shows_what_the_manifest_tells(tmp_path: Path, clock: ManualClock, env: Env) -> None:
    """Contract 15: also that a batch is under way, which changes no answers."""
    figures = Figures(NAMES, clock)
    watch = BatchWatch(tmp_path, MemorySearch(INDICES, clock=clock), MemoryStore(env=env), clock, figures)
    beside = WithManifest(manifest_path(tmp_path))
    await beside.purge(["films"], FinishedBatch({"movies": 7}, 0, {"movies": 2.0}))
    await watch.look()
    first = documents(figures), lags(figures)
    await beside.wait({"movies": clock.wall() - 5})
    await watch.look()

    assert [first, lags(figures)] == [([7, 0, 0], {"movies": 2.0}), {"movies": 5.0}]


async def test_without_the_file_the_figures_come_over_redis(
    tmp_path: Path, clock: ManualClock, env: Env, valkey: Server
) -> None:
    """Contract 15: an ETL on another machine; while Redis is away, what is known stays."""
    server = RedisServer(valkey.url, prefix="figures")
    figures = Figures(NAMES, clock)
    store, engine = MemoryStore(env=env), MemorySearch(INDICES, clock=clock)
    watch = BatchWatch(tmp_path, engine, store, clock, figures, over_redis(server, "figures#etl"))
    await watch.look()
    before = documents(figures)
    await server.invalidations(0)
    await server.command("SET", "figures#etl", '{"batch": 3, "documents": {"movies": 9}}')
    await watch.look()
    await server.aclose()
    await watch.look()

    assert (before, documents(figures)) == ([0, 0, 0], [9, 0, 0])


async def test_an_etl_that_has_ended_does_not_look_like_one_with_nothing_to_do(
    tmp_path: Path, clock: ManualClock, env: Env
) -> None:
    """Issue 15: what tells is when it last said that it runs; a batch in between takes nothing of that back."""
    figures, told = Figures(NAMES, clock), WithManifest(manifest_path(tmp_path))
    watch = BatchWatch(tmp_path, MemorySearch(INDICES, clock=clock), MemoryStore(env=env), clock, figures)
    seen = [shown(figures)["etl_alive_timestamp_seconds"]]
    await told.live(100.0)
    await watch.look()
    seen.append(shown(figures)["etl_alive_timestamp_seconds"])
    await told.purge(["films"], FinishedBatch())
    await told.live(105.0)
    await watch.look()

    assert [*seen, shown(figures)["etl_alive_timestamp_seconds"]] == [0.0, 100.0, 105.0]
