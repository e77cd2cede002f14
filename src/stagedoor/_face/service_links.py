"""What Kubernetes puts into every process of a namespace for each of its services, in the form of Docker's links.

    SHOP_SERVICE_HOST=10.96.0.7   SHOP_SERVICE_PORT=80   SHOP_SERVICE_PORT_HTTP=80   SHOP_PORT=tcp://10.96.0.7:80
    SHOP_PORT_80_TCP=tcp://...    and with _PROTO=tcp    with _PORT=80               with _ADDR=10.96.0.7

A name alone proves nothing: SHOP_PORT=8000 is a setting, and SHOP_CARTS_PORT=8001 is a mistake. Only both together do.
"""

import re
from typing import Final

__all__ = ["is_service_link"]

_LINK: Final = r"(?:tcp|udp|sctp)://\S+:[0-9]{1,5}"
_HOST: Final = r"[\w.:-]+"
_NUMBER: Final = r"[0-9]{1,5}"
_FORMS: Final = tuple(
    (re.compile(rf".+_{name}", re.ASCII), re.compile(said, re.ASCII))
    for name, said in (
        (r"SERVICE_HOST", _HOST),
        (r"SERVICE_PORT(?:_[A-Z0-9_]+)?", _NUMBER),
        (r"PORT(?:_[0-9]{1,5}_(?:TCP|UDP|SCTP))?", _LINK),
        (r"PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)_PROTO", "tcp|udp|sctp"),
        (r"PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)_PORT", _NUMBER),
        (r"PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)_ADDR", _HOST),
        (r"NAME", r"/[^/]+/[^/]+"),  # Docker's own: /this/that
    )
)


def is_service_link(name: str, said: str) -> bool:
    """Tell whether a variable has the name and the value of a service link."""
    return any(names.fullmatch(name) and values.fullmatch(said) for names, values in _FORMS)
