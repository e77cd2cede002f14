"""The servers that hold data, and the settings by which the platform finds them: the same names as in compose.yaml."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from tests import search_nodes, servers
from tests.servers import LOOPBACK, S3_BUCKET, S3_KEY, S3_SECRET, Recipe, Server, Unavailable

__all__ = ["data_servers", "settings_for"]

# What may be left out, and what the platform does without it.
_WITHOUT = {
    "search": "the embedded search engine is used",
    "s3": "pictures lie in a folder",
    "redis": "each worker keeps answers in its own memory",
    "postgres": "the database is a file of SQLite",
}
# As in compose.yaml: what is enough for tests is not for 200,000 films.
_DATABASE = ("shared_buffers=128MB",)
_NODE = ("-Xms1g", "-Xmx1g")
_NODE_SECONDS = 300.0  # on a machine with much else to do; what is there is not done without


def data_servers(stack: ExitStack) -> Iterator[tuple[str, Server | str]]:
    """Start PostgreSQL, Valkey, SeaweedFS and a search node; yield each, or why there is none."""
    recipes = {
        "postgres": partial(servers.postgres, *_DATABASE),
        "redis": servers.valkey,
        "s3": servers.s3,
        "search": _node,
    }
    for name, find in recipes.items():
        yield name, _started(stack, name, find)


def _node() -> Recipe:
    return replace(search_nodes.opensearch(*_NODE), patience=_NODE_SECONDS)


def _started(stack: ExitStack, name: str, find: "partial[Recipe] | object") -> Server | str:
    try:
        return stack.enter_context(servers.temporary(find))  # type: ignore[arg-type]
    except Unavailable as missing:
        return f"{missing}; {_WITHOUT[name]}"


def settings_for(found: Mapping[str, Server]) -> dict[str, str]:
    """Return the settings of the platform over these servers."""
    said = {"GATEWAY_WORKERS": "2", "SEARCH_ETL_INTERVAL_S": "10", "MEDIA_TOKEN": secrets.token_urlsafe(24)}
    if "postgres" in found:
        said["DATABASE_URL"] = servers.create_database(found["postgres"], "cinema")
    if "redis" in found:
        said["REDIS_URL"] = found["redis"].url
    if "search" in found:
        said["SEARCH_URL"] = found["search"].url
    if "s3" in found:
        said |= {
            "MEDIA_STORE": "s3",
            "MEDIA_S3_ENDPOINT": found["s3"].url,
            "MEDIA_S3_BUCKET": S3_BUCKET,
            "MEDIA_S3_REGION": "us-east-1",
            "MEDIA_S3_ACCESS_KEY": S3_KEY,
            "MEDIA_S3_SECRET_KEY": S3_SECRET,
        }
    return said | {"GATEWAY_TRUSTED_PROXIES": LOOPBACK} | _kept()


def _kept() -> dict[str, str]:
    """Return what the operator has said, which wins."""
    return {name: value for name, value in os.environ.items() if name in {"FILMS", "MEMES", "LOG_LEVEL"}}
