"""Fixtures for every suite: real servers, and how many examples Hypothesis tries."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from hypothesis import HealthCheck, settings

from tests import search_nodes, servers
from tests.servers import Recipe, Server, Unavailable

pytest_plugins = ["stagedoor.testing.plugin"]  # clock, events, env

# A shared machine is slow at moments that say nothing about the code: no time limit per example. A failing
# example is printed with what reproduces it. `make test` tries a third of what CI does; `make deep` selects the last.
settings.register_profile("quick", deadline=None, print_blob=True, max_examples=30)
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile(
    "deep", deadline=None, print_blob=True, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default" if os.environ.get("CI") else "quick")

# What a shell starts in the background ignores Ctrl-C, and so would every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def must_not_skip(environment: dict[str, str]) -> bool:
    """Tell whether a server that cannot be started is a failure here."""
    return environment.get("CI", "").lower() in {"1", "true"} or environment.get("REQUIRE_SERVERS") == "1"


def started(stack: ExitStack, find: Callable[[], Recipe]) -> Server:
    """Start a server for the session; without it, fail in CI and skip elsewhere."""
    try:
        return stack.enter_context(servers.temporary(find))
    except Unavailable as missing:
        if must_not_skip(dict(os.environ)):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(f"left out: {missing}")


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Server]:
    """Run one Valkey per session and worker; tests want `valkey`, which is up and empty."""
    with ExitStack() as stack:
        yield started(stack, servers.valkey)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Run one PostgreSQL per session and worker; tests want `postgres`, which is up."""
    with ExitStack() as stack:
        yield started(stack, servers.postgres)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    """Run one S3 server per session and worker; tests want `s3`, which is up."""
    with ExitStack() as stack:
        yield started(stack, servers.s3)


@pytest.fixture(scope="session")
def opensearch() -> Iterator[Server]:
    """Run one OpenSearch node per session; whoever wants it joins the group `search nodes`, on one worker."""
    with ExitStack() as stack:
        yield started(stack, partial(search_nodes.opensearch, *search_nodes.QUICK))


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[Server]:
    """Run one Elasticsearch node per session; whoever wants it joins the group `search nodes`, on one worker."""
    with ExitStack() as stack:
        yield started(stack, partial(search_nodes.elasticsearch, *search_nodes.QUICK))


@pytest.fixture
def valkey(valkey_server: Server) -> Server:
    """Give a Valkey that is up and empty, whatever the test before did to it."""
    valkey_server.resume()
    valkey_server.start()
    servers.flush(valkey_server)
    return valkey_server


@pytest.fixture
def postgres(postgres_server: Server) -> Server:
    """Give a PostgreSQL that is up, whatever the test before did to it."""
    postgres_server.resume()
    postgres_server.start()
    return postgres_server


@pytest.fixture
def s3(s3_server: Server) -> Server:
    """Give an S3 server that is up, whatever the test before did to it."""
    s3_server.resume()
    s3_server.start()
    return s3_server


@pytest.fixture
def database_url(postgres: Server) -> str:
    """Give the address of an empty database of the test's own."""
    return servers.create_database(postgres, f"test_{uuid.uuid4().hex}")
