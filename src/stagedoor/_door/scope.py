"""What an application is told of a request: the scope of ASGI's specification for HTTP."""

from typing import Any

from stagedoor._door.reader import Head

__all__ = ["scope_of"]


def scope_of(
    head: Head,
    scheme: str,
    client: tuple[str, int] | None,
    server: tuple[str, int | None] | None,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Return the scope of a request."""
    target = head.target
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.method,
        "scheme": scheme,
        "path": target.path,
        "raw_path": target.raw_path,
        "query_string": target.query,
        "root_path": "",
        "headers": head.fields,
        "client": client,
        "server": server,
        "state": state,
    }
