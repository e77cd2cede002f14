"""Tell what a client would rather have: a page for people, or data for programs."""

__all__ = ["prefers_html"]


def prefers_html(accept: bytes) -> bool:
    """Tell whether an Accept field ranks text/html above JSON (RFC 9110 12.5.1)."""
    weights = dict(_weighed(item) for item in accept.lower().split(b","))
    wild = weights.get(b"*/*", 0.0)
    page = weights.get(b"text/html", weights.get(b"text/*", wild))
    data = weights.get(b"application/json", weights.get(b"application/*", wild))
    return page > data


def _weighed(item: bytes) -> tuple[bytes, float]:
    kind, _, rest = item.partition(b";")
    _, found, weight = rest.partition(b"q=")
    try:
        return kind.strip(), float(weight.strip()) if found else 1.0
    except ValueError:
        return kind.strip(), 0.0
