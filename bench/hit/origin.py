"""Where the caches get their answers from: both bodies, good for an hour.

python -m bench.hit.origin PORT
"""

import sys
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.hit.bodies import BODIES


class Origin(BaseHTTPRequestHandler):
    """Answers /small and /large."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        body = BODIES.get(self.path.strip("/"), b"")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "public, max-age=3600")
        self.send_header("ETag", f'"{blake2b(body, digest_size=12).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Origin).serve_forever()
