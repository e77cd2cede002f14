"""State and manifest: whole or not at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema.etl.manifest import (
    FinishedBatch,
    Manifest,
    figures_key,
    manifest_of,
    next_manifest,
    read_manifest,
    waiting,
    write_manifest,
)
from cinema.etl.purge import EVERYTHING, WithManifest, WithRedis
from cinema.etl.state import State, StateBroken, read_state, write_state
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.shared import Shared
from stagedoor._cache.tags import tag
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from tests.servers import Server


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    """And replaces the one before."""
    path = tmp_path / "new" / "state.json"
    state = State("s", {"tx": 0, "seq": 7}, {"movies": "movies-1"}, ("film:1",), {"movies/1": "причина"})

    write_state(path, State("s", {}, {}))
    write_state(path, state)

    assert read_state(path) == state
    assert [file.name for file in path.parent.iterdir()] == ["state.json"]


def test_a_state_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """A full disk would fill up with beginnings."""
    path = tmp_path / "state.json"
    (path / "in the way").mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        write_state(path, State("s", {}, {}))

    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "said",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        *(
            json.dumps({"format": 1, "source": "s", "position": {}, "versions": {}, "untold": [], **part})
            for part in (
                {"untold": [{"a": 1}]},
                {"untold": [None]},
                {"source": 5},
                {"versions": {"movies": ["m"]}},
                {"set_aside": {"movies/1": 5}},
            )
        ),
    ],
    ids=lambda said: said[-60:],
)
def test_f1_a_state_of_other_types_is_broken(tmp_path: Path, said: str) -> None:
    """Contract 14.5: it begins anew with a warning, and does not stop the ETL."""
    (tmp_path / "state.json").write_text(said)

    with pytest.raises(StateBroken):
        read_state(tmp_path / "state.json")


def test_no_state_is_none(tmp_path: Path) -> None:
    """The first start is no fault."""
    assert read_state(tmp_path / "state.json") is None


@given(st.lists(st.one_of(st.none(), st.sets(st.sampled_from("abcdef"))), max_size=12), st.integers(0, 12))
def test_k3_a_reader_of_manifests_misses_no_tag(batches: list[set[str] | None], seen: int) -> None:
    """K3: whoever has seen batch n is told every tag of later batches, or that everything is out."""
    manifest = Manifest()
    for tags in batches:
        manifest = next_manifest(manifest, tags, FinishedBatch({"movies": 1}))

    told = manifest.since(min(seen, len(batches)))

    later = batches[min(seen, len(batches)) :]
    if any(tags is None for tags in later):
        assert told is None
    elif told is not None:
        assert set().union(*(tags or () for tags in later)) <= set(told)
    assert manifest.documents == ({"movies": len(batches)} if batches else {})


def test_k3_the_manifest_is_bounded_and_forgets_nothing_silently() -> None:
    """K3: the oldest tags are forgotten by raising the floor, and who is behind it purges everything."""
    manifest = next_manifest(Manifest(), ["old"], FinishedBatch())
    manifest = next_manifest(manifest, [f"film:{number}" for number in range(10_000)], FinishedBatch())

    assert len(manifest.tags) == 10_000
    assert manifest.since(0) is None
    assert manifest.since(1) is not None


def test_a_manifest_that_cannot_be_read_means_everything(tmp_path: Path) -> None:
    """A reader that has seen batches finds itself ahead, and purges everything."""
    path = tmp_path / "batch.json"
    path.write_text("{")

    assert read_manifest(path).since(3) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"batch": "7"}',
        '{"batch": Infinity}',
        '{"batch": 7, "tags": []}',
        '{"batch": 7, "tags": {"films": "7"}}',
        '{"batch": 7, "documents": {"movies": null}}',
        '{"batch": 7, "lags": 5}',
        '{"batch": 7, "behind": {"movies": "yesterday"}}',
        '{"batch": 7, "more": 1}',
        "[1]",
        "7",
        "[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda text: str(text)[:30],
)
def test_f1_a_manifest_of_other_types_is_none(text: str | bytes) -> None:
    """F1: whoever can write the file or the key in Redis can write anything; it must not break /metrics."""
    assert manifest_of(text) == Manifest()


async def test_g4_a_purge_reaches_other_processes_over_redis(valkey: Server, tmp_path: Path) -> None:
    """G4: a gateway that listens hears the tags of a batch, whatever it held before."""
    env = Env(SystemClock(), lambda: 0.5, lambda _: None)
    gateway = Shared(RedisServer(valkey.url, prefix="p"), env=env, timeout=1.0)
    await gateway.start()
    invalidator = WithRedis(
        WithManifest(tmp_path / "batch.json"), RedisServer(valkey.url, prefix="p"), "p#etl"
    )
    before = gateway.purges.mark.position

    untold = await invalidator.purge(["film:1", "films"], FinishedBatch())
    await gateway.get(b"any", 60.0)

    assert untold == ()
    assert gateway.purges.reached(b"key", (tag("film:1"),), before)
    assert not gateway.purges.reached(b"key", (tag("film:2"),), before)
    await invalidator.purge([EVERYTHING], FinishedBatch())
    await gateway.get(b"any", 60.0)
    assert gateway.purges.reached(b"key", (tag("film:2"),), before)
    await invalidator.aclose()
    await gateway.aclose()


async def test_k3_what_redis_was_not_told_is_told_later(valkey: Server, tmp_path: Path) -> None:
    """K3: no invalidation is lost silently; the tags are kept in the state until somebody has heard them."""
    invalidator = WithRedis(WithManifest(tmp_path / "batch.json"), RedisServer(valkey.url), "stagedoor#etl")
    valkey.stop()

    untold = await invalidator.purge(["film:1"], FinishedBatch())

    assert untold == ("film:1",)
    assert read_manifest(tmp_path / "batch.json").batch == 1
    valkey.start()
    assert await invalidator.purge(untold, FinishedBatch()) == ()
    await invalidator.aclose()


async def test_the_figures_of_a_batch_lie_in_redis(valkey: Server, tmp_path: Path) -> None:
    """Contract 15: for a gateway on another machine; without the tags, which have a log of their own."""
    server = RedisServer(valkey.url, prefix="q")
    invalidator = WithRedis(WithManifest(tmp_path / "batch.json"), server, figures_key("q"))
    await invalidator.purge(["film:1"], FinishedBatch({"movies": 3}, 2, {"movies": 1.5}))
    done = manifest_of(await server.command("GET", "q#etl"))
    await invalidator.wait({"movies": 12.5})
    under_way = manifest_of(await server.command("GET", "q#etl"))
    await invalidator.aclose()

    assert done == Manifest(1, documents={"movies": 3}, set_aside=2, lags={"movies": 1.5})
    assert under_way.behind == {"movies": 12.5}


async def test_a_redis_that_is_away_keeps_no_batch_from_beginning(tmp_path: Path) -> None:
    """What is shown of a batch is no reason to stop it."""
    invalidator = WithRedis(
        WithManifest(tmp_path / "batch.json"), RedisServer("redis://127.0.0.1:1"), "q#etl"
    )

    await invalidator.wait({"movies": 12.5})

    assert read_manifest(tmp_path / "batch.json").behind == {"movies": 12.5}
    await invalidator.aclose()


def test_a_batch_ends_the_waiting() -> None:
    """Contract 15: what was under way is done."""
    manifest = next_manifest(
        waiting(Manifest(), {"movies": 7.5}), ["film:1"], FinishedBatch({"movies": 1}, 0, {"movies": 2.0})
    )

    assert (manifest.behind, manifest.lags) == ({}, {"movies": 2.0})


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    """Nothing of it is lost on the way."""
    manifest = next_manifest(Manifest(), ["film:1"], FinishedBatch({"movies": 3}, 2, {"movies": 1.5}))
    manifest = waiting(manifest, {"persons": 7.5})
    write_manifest(tmp_path / "batch.json", manifest)

    assert read_manifest(tmp_path / "batch.json") == manifest
