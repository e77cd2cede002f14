"""What documents say of the fields of a screen's answer."""

__all__ = ["SCREEN_FIELDS"]

SCREEN_FIELDS = {
    "Stagedoor-Parts": "The verdict of each part, as an RFC 9651 dictionary: `user=fresh, orders=cached`.",
    "Server-Timing": "How long each part took, in milliseconds.",
    "Cache-Status": "Whether the answer was kept (RFC 9211).",
    "Cache-Control": "How long a client may keep the answer: the lifetime that remains.",
    "X-Request-ID": "The request's id, as in every log line about it.",
}
