"""Cookies of sessions (RFC 6265bis 4.1): `__Host-`, so that no other host and no plain HTTP can set or see them."""

import re
from collections.abc import Set as AbstractSet

from stagedoor._requests import Headers

__all__ = ["cleared", "cookie_name", "found", "login_cookie", "random_id", "set_cookie", "sets", "without"]

_ID = re.compile(rb"[A-Za-z0-9_-]{43}")


def cookie_name(guard: str) -> str:
    """Return the name of the cookie of the guard's sessions."""
    return f"__Host-{guard}"


def login_cookie(guard: str) -> str:
    """Return the name of the cookie of logins that are on their way; no guard's name has a dot."""
    return f"__Host-{guard}.login"


def set_cookie(name: str, value: str, seconds: float) -> tuple[bytes, bytes]:
    """Return the field that sets a cookie: Lax, since the way back from the provider begins at another site."""
    said = f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={int(seconds)}"
    return b"set-cookie", said.encode("latin-1")


def cleared(name: str) -> tuple[bytes, bytes]:
    """Return the field that ends a cookie."""
    return set_cookie(name, "", 0)


def found(fields: Headers, name: str) -> bytes | None:
    """Return the value of a cookie; None if it is absent. Raises `ValueError` for one that stands there twice."""
    wanted, values = name.encode(), []
    for field, said in fields:
        if field == b"cookie":
            crumbs = (crumb.strip(b" \t").partition(b"=") for crumb in said.split(b";"))
            values += [value for key, _, value in crumbs if key == wanted]
    if len(values) > 1:
        raise ValueError("more than one")
    return values[0] if values else None


def random_id(value: bytes | None) -> bytes | None:
    """Return a value that has the form of an id of ours; None for any other."""
    return value if value is not None and _ID.fullmatch(value) else None


def sets(fields: Headers, names: AbstractSet[bytes]) -> bool:
    """Tell whether fields of an answer set a cookie of these names.

    One without a name, as in `=name=x`, comes back as `name=x` from browsers older than RFC 6265bis.
    """
    return any(
        field == b"set-cookie"
        and said.partition(b";")[0].lstrip(b" \t=").partition(b"=")[0].rstrip(b" \t") in names
        for field, said in fields
    )


def without(fields: Headers, names: AbstractSet[bytes]) -> Headers:
    """Return fields without cookies of these names: nobody behind the gateway sees them."""
    kept: list[tuple[bytes, bytes]] = []
    for field in fields:
        if field[0] != b"cookie" or not any(name in field[1] for name in names):
            kept.append(field)
            continue
        crumbs = [one.strip(b" \t") for one in field[1].split(b";")]
        left = [one for one in crumbs if one.partition(b"=")[0].rstrip(b" \t") not in names]
        if left:
            kept.append((b"cookie", b"; ".join(left)))
    return tuple(kept)
