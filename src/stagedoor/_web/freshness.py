"""How an answer's age and origin are told: `Cache-Status` (RFC 9211) and `Cache-Control` (RFC 9111)."""

from stagedoor._context import Record
from stagedoor._requests import Headers

__all__ = ["NO_STORE", "cache_control", "cache_status", "provenance"]

NO_STORE = (b"cache-control", b"no-store")


def cache_status(record: Record, cache: bytes = b"stagedoor") -> tuple[bytes, bytes]:
    """Return the field that says whether the answer was kept, and for how long it will be."""
    ttl = b"" if record.ttl is None else b"; ttl=%d" % record.ttl
    if record.lookup == "hit":
        said = b"; hit" + ttl
    elif record.lookup == "stale":
        said = b"; hit" + ttl + b"; detail=stale"
    elif record.lookup is None:
        said = b"; fwd=bypass"
    else:
        joined, stored = b"; collapsed" if record.joined else b"", b"; stored" if record.stored else b""
        said = b"; fwd=miss" + stored + joined
    return (b"cache-status", cache + said)


def cache_control(scope: bytes, seconds: float) -> tuple[bytes, bytes]:
    """Return the field for an answer that lives so many seconds more; `scope` is b"public" or b"private"."""
    return (b"cache-control", scope + b", max-age=%d" % max(0, int(seconds)))


def provenance(record: Record, *, scope: bytes, fresh: bool) -> Headers:
    """Return both fields: where an answer comes from, and how long it lives; nobody keeps one that is not `fresh`."""
    control = cache_control(scope, record.ttl or 0.0) if fresh else NO_STORE
    return (cache_status(record), control)
