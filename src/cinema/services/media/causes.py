"""Why the image store cannot be used, in the words of logs: obstore has one class of error for nearly all of it.

What it says ends in its own account of the error, which names the kind; addresses in it stay out (promise T15).
"""

import re
from typing import Final

from stagedoor.errors import Reason

__all__ = ["SKEWED", "why"]

SKEWED: Final = "RequestTimeTooSkewed"  # S3 allows a quarter of an hour, and says 403 beyond

# The first that is found counts.
_KINDS: Final[tuple[tuple[str, Reason, str], ...]] = (
    (r"ConnectionRefused", "unavailable", "refused the connection"),
    (r"dns error|failed to lookup address", "unavailable", "its name cannot be resolved"),
    (r"InvalidContentType", "unavailable", "it speaks no TLS on this port"),
    (r"CertExpired|\(Expired|certificate expired", "unavailable", "its certificate has expired"),
    (r"NotValidForName", "unavailable", "its certificate is for another name"),
    (r"UnknownIssuer", "unavailable", "its certificate is of an authority that is not known here"),
    (r"InvalidCertificate", "unavailable", "its certificate is not trusted"),
    (r"kind: Timeout|TimedOut", "timeout", "timeout"),
    (r"StorageFull|QuotaExceeded|status: 507|[Nn]o space left", "unavailable", "its disk is full"),
    (r"ReadOnlyFilesystem", "unavailable", "its disk can only be read"),
    (r"kind: PermissionDenied", "unavailable", "its folder may not be used by this user"),
    (r"NotADirectory|kind: NotFound", "unavailable", "its folder is not there"),
    (r"NoSuchBucket", "unavailable", "has no bucket of this name"),
    (SKEWED, "unavailable", "its clock and ours are too far apart for its signatures"),
    (r"status: 40[13]\b|PermissionDenied \{|Unauthenticated \{", "unavailable", "refuses our keys"),
    (r"status: (?P<status>\d{3})", "unavailable", "answered {status}"),
    (
        r"IncompleteMessage|ConnectionReset|BrokenPipe",
        "unavailable",
        "closed the connection before its answer",
    ),
)


def why(error: BaseException | None) -> tuple[Reason, str]:
    """Return of which kind the trouble is, and what it is in words."""
    if isinstance(error, TimeoutError):
        return "timeout", "timeout"
    for pattern, reason, told in _KINDS:
        if found := re.search(pattern, f"{error}"):
            return reason, told.format(**found.groupdict())
    return "garbled", f"what it says cannot be understood ({type(error).__name__})"
