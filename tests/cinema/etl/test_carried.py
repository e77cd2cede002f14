"""E6: an index that is not where its state says is noticed: put back from a backup, copied, another one."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cinema.database import Database
from cinema.etl.carried import Carried, carried_in, text_of
from cinema.etl.report import Lines
from cinema.etl.run import job_of
from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor._clock import SystemClock
from stagedoor.search.tantivy import TantivyEngine
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, documents_in


def test_e6_what_an_index_says_of_itself_comes_back() -> None:
    """Its source and its position, in any letters."""
    carried = Carried("источник", {"tx": 0, "seq": 7, "row": None})

    assert carried_in(text_of(carried)) == carried


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "null", "{", "{}", '{"source": "a", "position": 7}', "[" * 9999]
)
def test_e6_what_is_no_mark_is_none(text: str) -> None:
    """Whoever can write the index can write anything."""
    assert carried_in(text) is None


on_sqlite = pytest.mark.parametrize(
    "catalogue_url", ["sqlite"], indirect=True
)  # the other one would say the same


async def retitle(bench: Bench, *titles: str) -> None:
    """Change a film, and follow each change by itself."""
    for title in titles:
        await bench.write(f"UPDATE content.film_work SET title = '{title}' WHERE id = '{FILMS[0]}'")
        await bench.run()


def told(bench: Bench) -> list[str]:
    return [event for line in bench.lines if (event := json.loads(line)["event"]) == "etl_catches_up"]


async def test_e6_an_older_index_under_a_newer_state_catches_up(bench: Bench) -> None:
    """A backup of the index was put back; the state says that everything is in."""
    await bench.run()
    backup = copy.deepcopy(bench.engine)
    await retitle(bench, "New", "Newer")
    bench.engine = backup

    assert 0 < await bench.run() < 10
    assert told(bench) == ["etl_catches_up"]
    assert await bench.run() == 0
    await bench.assert_equal()


async def test_e6_a_newer_index_under_an_older_state_catches_up(bench: Bench) -> None:
    """A backup of the state was put back; everything is followed from there."""
    await bench.run()
    held = bench.state.read_bytes()
    await retitle(bench, "New", "Newer")
    bench.state.write_bytes(held)

    assert 0 < await bench.run() < 10
    assert await bench.run() == 0
    await bench.assert_equal()


@on_sqlite
@pytest.mark.parametrize("older", ["index", "state"])
async def test_e6_where_the_log_is_gone_since_the_older_of_both_all_is_built_anew(
    bench: Bench, older: str
) -> None:
    """What it lacks cannot be known."""
    await bench.run()
    backup, held = copy.deepcopy(bench.engine), bench.state.read_bytes()
    await retitle(bench, "New", "Newer")
    await bench.write("DELETE FROM content.change_log WHERE op <> 'begin' AND op <> 'reload'")
    if older == "index":
        bench.engine = backup
    else:
        bench.state.write_bytes(held)

    assert await bench.run() == 10
    assert await bench.run() == 0
    await bench.assert_equal()


@on_sqlite
@pytest.mark.parametrize("name", ["movies", "genres", "persons"])
async def test_e6_one_older_index_among_newer_ones_catches_up(bench: Bench, name: str) -> None:
    """A snapshot of one of them was put back."""
    await bench.run()
    backup = copy.deepcopy(bench.engine)
    await bench.write(f"UPDATE content.genre SET name = 'New' WHERE id = '{GENRES[0]}'")
    await bench.write(f"UPDATE content.person SET full_name = 'New' WHERE id = '{PEOPLE[0]}'")
    await bench.run()
    version = await bench.engine.current(name)
    bench.engine._versions[version] = backup._versions[version]  # noqa: SLF001 - as a snapshot does

    assert 0 < await bench.run() < 10
    assert await bench.run() == 0
    await bench.assert_equal()


async def test_e6_a_second_index_under_the_state_of_the_first_catches_up(bench: Bench) -> None:
    """It has the same names and versions, and was filled at another time."""
    other = Bench(bench.database, bench.folder / "other", bench.url)
    await other.run()
    await bench.run()
    await retitle(bench, "New", "Newer")
    bench.engine = other.engine

    await bench.run()

    await bench.assert_equal()


WRONG: dict[str, Callable[[str], str]] = {
    "no mark": lambda _: "",
    "another source": lambda text: json.dumps(json.loads(text) | {"source": "another"}),
    "a position of the future": lambda text: text.replace('"seq": ', '"seq": 4'),
    "a position that is none": lambda text: json.dumps(json.loads(text) | {"position": {}}),
    "another past": lambda text: text.replace('"about": "', '"about": "un'),
}


@on_sqlite
@pytest.mark.parametrize("wrong", WRONG)
async def test_e6_an_index_of_which_nothing_is_known_is_built_anew(bench: Bench, wrong: str) -> None:
    """Filled by another release, from another database, or from one that was put back since."""
    await bench.run()
    version = await bench.engine.current("persons")
    await bench.engine.mark(version, WRONG[wrong](await bench.engine.marked(version)))

    assert await bench.run() == 10
    assert await bench.run() == 0
    await bench.assert_equal()


async def test_e6_an_index_of_another_past_is_not_gone_on_with_from_an_older_state(bench: Bench) -> None:
    """The state is older than the point where both have parted; what came in the other past is in the index."""
    await bench.run()
    held = bench.state.read_bytes()
    await retitle(bench, "Never happened")
    version = await bench.engine.current("movies")
    await bench.write(f"UPDATE content.film_work SET title = 'Film 0' WHERE id = '{FILMS[0]}'")
    await bench.engine.mark(version, WRONG["another past"](await bench.engine.marked(version)))
    bench.state.write_bytes(held)

    assert await bench.run() == 10


class Killed(Exception):
    """Stands for SIGKILL."""


class Deadly:
    """An invalidator that is killed in the middle of a batch: behind the marks, before the state."""

    async def wait(self, since: object, /) -> None:
        pass

    async def purge(self, tags: object, did: object, /) -> tuple[str, ...]:
        raise Killed

    async def live(self, now: float, /) -> None:
        pass

    async def aclose(self) -> None:
        pass


async def test_e6_a_batch_that_was_killed_behind_its_marks_is_repeated_and_nothing_more(bench: Bench) -> None:
    """Contract 14.5: a crash at that moment costs no rebuild, and gateways hear of the batch."""
    await bench.run()
    seen = bench.manifest().batch
    await bench.write(f"UPDATE content.film_work SET title = 'New' WHERE id = '{FILMS[3]}'")
    bench.invalidator = Deadly()
    for _ in range(2):
        with pytest.raises(Killed):
            await bench.run()
    bench.invalidator = None

    assert await bench.run() == 1
    assert set(bench.manifest().since(seen) or ()) == {"films", f"film:{FILMS[3]}"}
    assert await bench.run() == 0
    assert told(bench) == []
    await bench.assert_equal()


async def test_e6_a_folder_put_back_from_a_backup_catches_up(
    catalogue_url: str, catalogue: Database, bench: Bench, tmp_path: Path
) -> None:
    """The embedded engine, as an operator does it: a copy of SEARCH_DIR, with the state as it is."""
    settings = Settings(
        database_url=catalogue_url, search_dir=tmp_path / "index", search_etl_state=tmp_path / "state.json"
    )

    async def once() -> int:
        job = job_of(settings, Lines(lambda _: None, SystemClock()))
        try:
            return await job.once()
        finally:
            await job.aclose()

    first = await once()
    shutil.copytree(tmp_path / "index", tmp_path / "backup")
    await bench.write(f"UPDATE content.film_work SET title = 'New' WHERE id = '{FILMS[3]}'")
    second = await once()
    shutil.rmtree(tmp_path / "index")
    shutil.copytree(tmp_path / "backup", tmp_path / "index")
    third = await once()
    engine = TantivyEngine(tmp_path / "index", INDICES)
    held = await documents_in(engine, "movies", SystemClock())
    await engine.aclose()

    assert (first, second, third) == (10, 1, 1)
    assert held[FILMS[3]]["title"] == "New"
