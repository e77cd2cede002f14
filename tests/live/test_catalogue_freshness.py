"""What is changed in the source by bare SQL is seen by everybody after one pass of the ETL, kept before or not."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.live.catalogue import Catalogue
from tests.live.platform import PATIENT, Program, Reply, ask, run, until
from tests.servers import Server, flush, free_port

pytestmark = [pytest.mark.xdist_group("freshness"), pytest.mark.slow, pytest.mark.timeout(400)]

PASS_SECONDS = (
    45.0  # a pass a second, and a second until every process hears of a purge (G4), on a busy machine
)
OLD, NEW = "Quentin Quagmire", "Zebulon Zyxwvut"
SLOWLY = PATIENT | {"SEARCH_TIMEOUT_MS": 2400}


@dataclass
class House:
    """Two gateways over one index, and the ETL that watches its source."""

    catalogue: Catalogue
    gateways: tuple[Program, Program]

    def get(self, path: str) -> tuple[Reply, Reply]:
        """Ask both gateways."""
        first, second = (ask(gateway.port, path) for gateway in self.gateways)
        return first, second

    def bodies(self, path: str) -> set[bytes]:
        return {one.body for one in self.get(path) if one.status == 200}

    def seen(self, path: str, text: str, *, there: bool = True) -> bool:
        """Tell whether both gateways answer, with a text in it or without."""
        replies = self.get(path)
        return all(one.status == 200 and (text.encode() in one.body) is there for one in replies)

    def until_seen(self, path: str, text: str, *, there: bool = True) -> None:
        """Wait for a pass of the ETL and a purge; what nobody purges is kept for minutes, and is not met."""
        until(lambda: self.seen(path, text, there=there), lambda: path, PASS_SECONDS)


@pytest.fixture(params=["manifest", "redis"], scope="module")
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, films: Path
) -> Iterator[House]:
    """Give two gateways without Redis, which follow the manifest, and two with it."""
    settings: dict[str, str | float] = {**SLOWLY, "SEARCH_ETL_INTERVAL_S": 1}
    if request.param == "redis":
        server: Server = request.getfixturevalue("valkey_server")
        server.resume()
        server.start()
        flush(server)
        settings["REDIS_URL"] = server.url
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        catalogue = stack.enter_context(Catalogue(folder, films, **settings))
        catalogue.sql("UPDATE person SET full_name = ? WHERE id = ?", OLD, person_of(catalogue))
        catalogue.etl()
        environment = catalogue.environment | {"GATEWAY_PORT": str(free_port())}
        other = Program(
            run("gateway"), folder, environment, int(environment["GATEWAY_PORT"]), "/health/ready"
        )
        other.log = folder / "other.log"
        stack.callback(other.kill)
        catalogue["gateway"].begin()
        other.start()
        catalogue["gateway"].until_ready()
        watching = catalogue.begin_etl("--watch")
        stack.callback(ended, watching)
        yield House(catalogue, (catalogue["gateway"], other))


def ended(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def person_of(catalogue: Catalogue) -> str:
    """Return a person with several films."""
    rows = catalogue.sql(
        "SELECT person_id FROM person_film_work GROUP BY person_id ORDER BY count(*) DESC, person_id LIMIT 1"
    )
    return str(rows[0][0])


def test_a_bare_update_is_seen_in_both_dialects_kept_or_not(house: House) -> None:
    """Issue 4: one person's name, by SQL that touches no other column, within one pass; in both processes (G4)."""
    catalogue = house.catalogue
    person = person_of(catalogue)
    films = [
        film
        for (film,) in catalogue.sql(
            "SELECT DISTINCT film_work_id FROM person_film_work WHERE person_id = ?", person
        )
    ]
    pages = [f"/api/v1/persons/{person}", f"/v1/persons/{person}", f"/v1/persons?id={person}"]
    pages += [f"/api/v1/persons/search?query={quote(OLD)}", f"/v1/persons?name={quote(OLD)}"]
    pages += [
        path
        for film in films
        for path in (f"/api/v1/films/{film}", f"/v1/films/{film}", f"/v1/films?id={film}")
    ]
    by_new = [f"/api/v1/persons/search?query={quote(NEW)}", f"/v1/persons?name={quote(NEW)}"]
    by_new += [f"/api/v1/films/search?query={quote(NEW)}"]
    kept, uncached = pages[::2], [*by_new, *pages[5:]]
    assert all(house.seen(path, OLD) for path in kept), kept
    empty = [house.bodies(path) for path in by_new[:1]]

    catalogue.sql("UPDATE person SET full_name = ? WHERE id = ?", NEW, person)
    changed = time.monotonic()
    for path in pages:
        if "search" in path or "name=" in path:
            house.until_seen(path, person, there=False)
        else:
            house.until_seen(path, NEW)
            assert house.seen(path, OLD, there=False), path
    print(f"\nseen {time.monotonic() - changed:.2f} s after the update")

    assert empty == [{b"[]"}]
    for path in by_new[:2]:
        house.until_seen(path, person)
    until(lambda: all(len(one.body) > 2 for one in house.get(by_new[2])), lambda: by_new[2], PASS_SECONDS)
    for one in house.get(by_new[2]):
        assert {film["uuid"] for film in one.json()} <= set(films)
        assert one.json()
    assert uncached


def test_a_deletion_and_a_changed_link_are_seen(house: House) -> None:
    """Contract 14.3: a film that goes leaves every list; a link that goes changes the film and the person."""
    catalogue = house.catalogue
    person = person_of(catalogue)
    (link, film), (other, gone) = catalogue.sql(
        "SELECT min(id), film_work_id FROM person_film_work WHERE person_id = ? GROUP BY film_work_id "
        "HAVING count(*) = 1 ORDER BY 2 LIMIT 2",
        person,
    )
    assert link != other
    mine = [f"/api/v1/persons/{person}", f"/api/v1/persons/{person}/films?page_size=100"]
    for path in mine:
        assert house.seen(path, film)
        assert house.seen(path, gone)
    assert house.seen(f"/v1/films/{film}", person)
    assert house.seen(f"/v1/films?id={gone}", gone)
    assert house.seen(f"/api/v1/films/{gone}", gone)

    catalogue.delete("film_work", gone)
    catalogue.delete("person_film_work", link)

    for path in mine:
        house.until_seen(path, film, there=False)
        house.until_seen(path, gone, there=False)
    for path in (f"/api/v1/films/{gone}", f"/v1/films/{gone}"):
        until(lambda: {one.status for one in house.get(path)} == {404}, lambda: path, PASS_SECONDS)  # noqa: B023 - at once
    house.until_seen(f"/v1/films?id={gone}", '{"results":[]}')
    house.until_seen(f"/v1/films/{film}", person, there=False)
