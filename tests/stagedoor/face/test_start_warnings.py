"""What stops no start and is said: hosts that cannot be resolved yet, and what workers do not share."""

import logging
import multiprocessing
import resource

import pytest

from stagedoor import Gateway, Settings
from stagedoor._face.start_warnings import crowded, tell_unresolved, unshared, warned


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(), "purges hold for one process only"),
        (Settings(rate_limit="5/60"), "purges and limits per client hold for one process only"),
        (Settings(rate_limits=["/a=5/60"]), "purges and limits per client hold for one process only"),
        (Settings(redis_url="redis://h"), None),
        (Settings(docs_only=True), None),
    ],
)
def test_g4_what_workers_do_not_share_is_said(settings: Settings, words: str | None) -> None:
    """G4: a purge reaches all workers, but not those that nothing joins."""
    note = unshared(settings, "SHOP_REDIS_URL")

    assert (note is None) if words is None else (words in (note or "") and "SHOP_REDIS_URL" in (note or ""))


@pytest.mark.parametrize(("most", "said"), [(256, True), (12_001, False), (resource.RLIM_INFINITY, False)])
def test_a_limit_of_open_files_below_ours_is_said(most: int, said: bool) -> None:
    """Contract 17: 10,000 connections are not there where the system allows 256 files."""
    told = crowded(Settings(max_connections=12_000), most)

    assert told == (
        "at most 256 files may be open (ulimit -n), fewer than max_connections=12000" if said else None
    )


async def test_a_host_that_cannot_be_resolved_yet_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """G2: it may come right later; who looks into the log at night finds the name at once."""
    with caplog.at_level(logging.WARNING):
        await tell_unresolved({"users": "nowhere.invalid", "orders": "127.0.0.1", "films": "bü..cher"})

    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "the host of users cannot be resolved yet (gaierror): nowhere.invalid"
    assert [line.split()[3] for line in told] == ["users", "films"]


async def test_g4_every_worker_says_it_where_it_serves(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """G4: and looks up the hosts of its services beside its work."""
    monkeypatch.setattr(multiprocessing, "parent_process", object)
    app = Gateway("shop", settings=Settings(metrics=False))
    app.proxy("/carts/{rest:path}", app.service("carts", "http://nowhere.invalid:1"))
    async with app.build() as running, warned(running):
        pass

    assert b"purges hold for one process only" in capfdbinary.readouterr().out


def test_check_says_what_workers_do_not_share() -> None:
    """G4: before anything is served."""
    assert "purges hold" in Gateway("shop").inspected().notes[0]
    assert "SHOP_REDIS_URL is set" in Gateway("shop").inspected().notes[0]
    assert "unless redis_url is set" in Gateway("shop", settings=Settings()).inspected().notes[0]
    assert Gateway("shop", settings=Settings(redis_url="redis://h")).inspected().notes == ()
