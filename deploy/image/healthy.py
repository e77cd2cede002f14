#!/opt/cinema/bin/python -IS
"""Leave with 0 if this container's process says that it is well: `healthy [PORT [PATH]]`.

The image has no other client, and `cinema` itself takes longer to load than a health check may cost.
"""

import os
import socket
import sys

port, path = [
    *sys.argv[1:],
    *(os.environ.get("GATEWAY_PORT") or "8000", "/health/ready")[len(sys.argv) - 1 :],
]
with socket.create_connection(("127.0.0.1", int(port)), timeout=2.5) as line:
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = line.makefile("rb").readline()
sys.exit(b" 200 " not in status)
