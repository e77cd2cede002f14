"""`./start_with_monitoring.sh` on a clean clone: everything runs, answers, is watched, and keeps its data.

Published on an address of loopback that nobody else uses, so that it may run beside anything else.
"""

import json
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.cinema.pictures.drawn import saved
from tests.containers.connections import held
from tests.containers.running import Set, copied, until
from tests.deploy.manifests import compose
from tests.servers import SCRIPTS

HERE = "127.0.15.1"
JOBS = {"migrate", "seed", "certificate", "s3-bucket"}
SERVICES = compose("compose.yaml")["services"]
DEEP = os.environ.get("DEEP") == "1"
AWAY = {  # what stops, and which alert says so
    "etl": "EtlAway",
    "gateway": "GatewayAway",
    "grafana": "GrafanaAway",
    "nginx": "NginxAway",
    "opensearch": "SearchAway",
    "postgres": "PostgresAway",
    "redis": "RedisAway",
    "s3": "S3Away",
    **dict.fromkeys(("ghibli", "media", "memes", "orders", "products", "users"), "ServiceAway"),
    **dict.fromkeys(("s3-1", "s3-2", "s3-master"), "S3NodeAway"),
    **dict.fromkeys(
        ("blackbox-exporter", "nginx-exporter", "node-exporter", "postgres-exporter", "redis-exporter"),
        "ExporterAway",
    ),
}
_POST = b"POST /api/memes HTTP/1.1\r\nHost: a\r\n"
UNTRUSTED = ssl._create_unverified_context()  # noqa: SLF001 - a certificate that nobody has signed


def ask(
    path: str, *, port: int = 8080, scheme: str = "http", body: bytes | None = None, **fields: str
) -> tuple[int, bytes, Message]:
    """Send a request from outside; return status, body and header fields."""
    request = urllib.request.Request(f"{scheme}://{HERE}:{port}{path}", data=body)
    for name, value in fields.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=20, context=UNTRUSTED) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read(), refused.headers
    except OSError:
        return 0, b"", Message()


def told(path: str, **more: Any) -> Any:
    """Return what an answer says in JSON; nothing if there is none."""
    body = ask(path, **more)[1]
    return json.loads(body) if body[:1] in {b"{", b"["} else None


def upload(title: str) -> tuple[int, Any]:
    """Add a meme with a picture through nginx."""
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n%b\r\n'
        b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\nfrom outside\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n%b\r\n--x--\r\n'
    ) % (title.encode(), saved("png"))
    status, body, _ = ask("/api/memes", body=parts, content_type="multipart/form-data; boundary=x")
    return status, json.loads(body) if body else None


@pytest.fixture(scope="module")
def started(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Set]:
    """Start everything as the README says, and take it all away at the end."""
    folder = copied(tmp_path_factory.mktemp("clone"))
    found = Set(folder, "compose.yaml", engine, STACK_BIND=HERE)
    try:
        said = found.run("./start_with_monitoring.sh", seconds=600)
        assert "ready:" in said
        yield found
    finally:
        found.compose("down", "-v")


@pytest.fixture(scope="module")
def there(started: Set) -> frozenset[str]:
    """Name the services that are there: Grafana's image may be out of reach."""
    names = started.podman("ps", "-a", "--format", "{{.Names}}").split()
    return frozenset(name for name in SERVICES if started.name(name) in names)


def test_everything_is_there_but_what_cannot_be_had(started: Set, there: frozenset[str]) -> None:
    """Contract 8: the set starts everything at once; one line says what is left out."""
    assert set(SERVICES) - there <= {"grafana"}


def test_every_job_has_ended_well_and_every_container_is_healthy(started: Set, there: frozenset[str]) -> None:
    """Contract 8: healthy by the check that the file itself declares."""
    for name in sorted(there & JOBS):
        until(120, f"{name} has ended", lambda name=name: _has_ended(started, name))  # type: ignore[misc]
    checked = [name for name in there - JOBS if "healthcheck" in SERVICES[name]]
    for name in sorted(checked):
        until(180, f"{name} is healthy", lambda name=name: started.is_healthy(name))  # type: ignore[misc]


def _has_ended(started: Set, name: str) -> bool:
    state = started.inspect(name)["State"]
    return (state["Running"], state["ExitCode"]) == (False, 0)


def test_profile_films_memes_and_movies_answer_through_nginx(started: Set) -> None:
    """Contract 5, 3, 6, 7: over plain HTTP and over TLS."""
    until(400, "films are found", lambda: bool(told("/api/v1/films/search?query=star")))

    profile, movies = told("/api/profile/user123"), told("/movies")
    status, meme = upload("first of all")
    picture = ask(meme["image_url"])

    assert (profile["metadata"]["orders_count"], len(movies["api_data"])) == (2, 22)
    assert (status, picture[0], picture[2]["Content-Type"]) == (201, 200, "image/png")
    assert ask("/api/profile/user456", scheme="https", port=8443)[0] == 200


def test_the_health_page_finds_every_component_well(started: Set) -> None:
    """Contract 8: Redis, search, database and the object store are those of the set."""
    until(60, "everything is healthy", lambda: told("/health")["status"] == "healthy")

    assert told("/health")["cache"] == {"type": "redis", "status": "healthy"}


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/metrics/",
        "//metrics",
        "/%6detrics",
        "/v1/../metrics",
        "/x/..%2fmetrics",
        "/admin/purge",
        "/api/system/info",
        "/api/cache/stats/",
    ],
)
def test_t16_nginx_shows_nothing_that_is_for_operators(started: Set, path: str) -> None:
    """T16: in no spelling; the gateway itself shows them on its own port."""
    status, body, fields = ask(path)

    assert (status, fields["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(body)["status"] == 404
    assert ask("/metrics", port=8000)[0] == 200


def test_t17_what_a_client_says_of_itself_does_not_reach_the_gateway(started: Set) -> None:
    """T17, D5: nginx is believed, so it passes on nothing that would be believed of it."""
    answers = {
        ask("/api/profile/user789", X_Forwarded_For="6.6.6.6", Stagedoor_Deadline_Ms="1")[0] for _ in range(5)
    }

    assert answers == {404}  # nobody knows this user; a deadline of 1 ms would be 504


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (
            b"POST /api/memes HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
        ),
        (_POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"400"),
        (b"GET /x?" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_t7_what_could_be_read_in_two_ways_ends_at_nginx(
    started: Set, request_: bytes, status: bytes
) -> None:
    """T7: one answer, a close, and the form of every other refusal."""
    with socket.create_connection((HERE, 8080), timeout=10) as line:
        line.sendall(request_)
        answer = b"".join(iter(lambda: line.recv(65_536), b""))

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.split()[1] == status
    assert b"application/problem+json" in answer


def test_compression_keeps_conditions_working(started: Set) -> None:
    """RFC 9110 13.1.1: a tag that nginx made weak still changes the meme it was read from."""
    _, meme = upload("to be changed")
    tag = ask(f"/api/memes/{meme['id']}")[2]["ETag"]
    until(60, "a search that has just started is late", lambda: ask("/api/v1/films?page_size=50")[0] == 200)
    listed = ask("/api/v1/films?page_size=50", accept_encoding="gzip")

    change = urllib.request.Request(
        f"http://{HERE}:8080/api/memes/{meme['id']}",
        data=b'{"title":"changed","description":"changed too"}',
        method="PUT",
        headers={"If-Match": f"W/{tag.removeprefix('W/')}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(change, timeout=20) as answer:
        assert answer.status == 200
    assert listed[2]["Content-Encoding"] == "gzip"


def test_prometheus_reaches_everything_that_it_watches(started: Set, there: frozenset[str]) -> None:
    """Contract 15: each job on the contract's ports, a whole series of each."""
    wanted = "grafana" if "grafana" not in there else ""

    def down() -> list[str]:
        targets = (told("/api/v1/targets", port=9090) or {"data": {"activeTargets": []}})["data"][
            "activeTargets"
        ]
        assert len(targets) > 10 or not targets
        return [one["labels"]["job"] for one in targets if one["health"] != "up"] if targets else ["nobody"]

    until(120, "every target is up", lambda: [one for one in down() if one != wanted] == [])
    for port, series in (
        (9121, b"redis_up 1"),
        (9187, b"pg_up 1"),
        (9113, b"nginx_up 1"),
        (9100, b"node_load1"),
    ):
        assert series in ask("/metrics", port=port)[1]


def test_t23_our_containers_run_without_root_on_a_read_only_root(started: Set) -> None:
    """T23: asked of the running ones, not of the file; there is no compiler to use either."""
    for service in ("gateway", "memes", "media", "etl"):
        assert started.exec(service, "id", "-u").strip() == "10001"
        touched = started.podman("exec", started.name(service), "touch", "/opt/cinema/x", check=False)
        assert touched == ""
        assert started.inspect(service)["HostConfig"]["ReadonlyRootfs"] is True
        tools = "which gcc cc c++ make pip || true"
        assert started.exec(service, "sh", "-c", tools) == ""


def test_our_layers_stay_small(started: Set) -> None:
    """At most 170 MB above the base image."""
    sizes = [
        int(started.podman("image", "inspect", "--format", "{{.Size}}", name))
        for name in ("cinema:dev", "python:3.11-slim")
    ]

    assert sizes[0] - sizes[1] <= 170_000_000


def test_t23_sigterm_ends_what_waits_as_the_first_process(started: Set) -> None:
    """T23: a command that serves nobody has no handler of its own, and the kernel none for it."""
    name = "cinema_waits"
    address = "DATABASE_URL=postgresql+asyncpg://a@127.0.0.1:1/b"
    started.podman("run", "-d", "--name", name, "-e", address, "cinema:dev", "migrate", "--wait", "100")
    try:
        until(20, "it waits", lambda: "State" in started.podman("inspect", name))
        subprocess.run(["sleep", "3"], check=True)
        started.podman("stop", "-t", "30", name)
        (state,) = json.loads(started.podman("inspect", name))
    finally:
        started.podman("rm", "-f", name)

    assert state["State"]["ExitCode"] == 143


def test_ten_thousand_connections_are_held(started: Set) -> None:
    """Contract 17: through nginx, each answered, none refused, and live answers throughout."""
    told_of = held(HERE, 8080, 10_000)

    assert told_of == {"answered": 10_000}


@pytest.mark.parametrize("service", sorted(AWAY) if DEEP else ["redis", "s3", "opensearch"])
def test_what_is_away_is_told_of_and_what_is_back_too(
    started: Set, there: frozenset[str], service: str
) -> None:
    """Contract 15: the alert that matches, and its end; through Alertmanager."""
    if service not in there:
        pytest.skip(f"the image of {service} cannot be had here")
    started.podman("stop", "-t", "5", started.name(service))
    try:
        until(120, f"{AWAY[service]} is told", lambda: AWAY[service] in _alerts())
    finally:
        started.podman("start", started.name(service))
    until(180, f"{AWAY[service]} is over", lambda: AWAY[service] not in _alerts())


def test_an_alert_is_named_for_each_container() -> None:
    """Issue 15: but the two that would tell it."""
    assert {*AWAY} == {*SERVICES} - JOBS - {"alertmanager", "prometheus"}


def _alerts() -> set[str]:
    return {one["labels"]["alertname"] for one in told("/api/v2/alerts?active=true", port=9093) or []}


def test_data_survives_down_and_the_next_version(started: Set) -> None:
    """Contract 12: a meme, its picture and the films are there after everything was taken down and built anew."""
    _, meme = upload("kept over the night")
    started.compose("down")
    started.run("./start_with_monitoring.sh", seconds=600)

    until(120, "the meme is back", lambda: ask(f"/api/memes/{meme['id']}")[0] == 200)
    until(120, "its picture is back", lambda: ask(meme["image_url"])[0] == 200)
    until(400, "films are found", lambda: bool(told("/api/v1/films/search?query=star")))


def test_the_makefiles_words_reach_the_containers(started: Set, tmp_path: Path) -> None:
    """`make logs c=app` is what users of an older project type; `app` is the gateway."""
    logs = started.run(
        "sh", "-c", "timeout 60 sh scripts/containers.sh logs app 2>&1 | head -n 50", check=False
    )
    shown = started.run("sh", "scripts/containers.sh", "ps")
    migrated = started.run("sh", "scripts/containers.sh", "migrate")

    assert '"event":"request"' in logs.replace(" ", "")
    assert "cinema_gateway_1" in shown
    assert "nothing to migrate" in migrated
    assert (SCRIPTS / "podman-compose").exists()
