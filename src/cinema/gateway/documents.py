"""Which documents there are, and what they say of the whole."""

from stagedoor import DocumentSet

__all__ = ["DESCRIPTION", "DOCUMENTS"]

DESCRIPTION = (
    "An online cinema behind one door. Every error is a problem document (RFC 9457); every answer carries "
    "`X-Request-ID`. Paths work with and without one trailing slash; HEAD works wherever GET does."
)
DOCUMENTS = (
    DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc"),
    DocumentSet(
        openapi="/api/openapi.json", prefix="/api", swagger=("/api/docs", "/api/openapi"), redoc="/api/redoc"
    ),
    DocumentSet(openapi="/v1/openapi.json", prefix="/v1", swagger=("/v1/docs",)),
)
