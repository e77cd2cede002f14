"""What is compared: our gateway, two caches in C, and two servers that answer from memory."""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.process import ROOT, Command

__all__ = ["LIMITED", "OURS", "TARGETS", "available", "log_of"]

OURS: Final = "stagedoor"
LIMITED: Final = "stagedoor, limit"
FOLDER: Final = Path(__file__).resolve().parent
Make = Callable[[int, str, tuple[int, ...], Path], Command]

# One worker, files and cache on tmpfs, as many requests over a connection as come.
_NGINX: Final = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors; user root;
events {{ worker_connections 4096; }}
http {{
  sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 75;
  open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;
  proxy_cache_path {folder}/cache keys_zone=kept:10m inactive=1h; proxy_temp_path {folder}/temp;
  client_body_temp_path {folder}/body; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  access_log {log};
  gzip on; gzip_comp_level 6; gzip_types application/json; gzip_min_length 1024; gzip_http_version 1.1;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass {origin}; proxy_cache kept; proxy_cache_key $request_uri; proxy_ignore_headers Vary;
      proxy_set_header Cookie ""; add_header X-Cache $upstream_cache_status;
    }}
  }}
}}
"""
_VARNISH: Final = """vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{port}"; }}
sub vcl_recv {{ unset req.http.Cookie; return (hash); }}
"""


def log_of(folder: Path) -> Path:
    """Return where our target writes its lines."""
    return folder / "lines"


def _ours(name: str, port: int, cores: tuple[int, ...], folder: Path, settings: Mapping[str, str]) -> Command:
    """Run the gateway as an operator does, with its log in a file."""
    place = folder / name.replace(", ", "-")
    place.mkdir()
    program = shlex.join([sys.executable, "-m", "stagedoor", "run", "bench.hit.shop:app"])
    command = f"exec {program} > {shlex.quote(str(log_of(place)))}"
    environment = {"SHOP_PORT": str(port), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", **settings}
    return Command(name=name, argv=("sh", "-c", command), cores=cores, environment=environment)


def ours(port: int, _: str, cores: tuple[int, ...], folder: Path) -> Command:
    """Run it without a limit per client."""
    return _ours(OURS, port, cores, folder, {})


def limited(port: int, _: str, cores: tuple[int, ...], folder: Path) -> Command:
    """Run it with a limit per client that is never reached."""
    return _ours(LIMITED, port, cores, folder, {"SHOP_RATE_LIMIT": "900000000/60"})


def _nginx(name: str, port: int, origin: str, cores: tuple[int, ...], folder: Path, log: str) -> Command:
    place = folder / name.replace(", ", "-")
    place.mkdir()
    config = place / "nginx.conf"
    lines = "off" if not log else f"{place}/{log}"
    config.write_text(_NGINX.format(folder=place, port=port, origin=origin, log=lines))
    return Command(name=name, argv=("nginx", "-c", str(config), "-p", str(place)), cores=cores)


def nginx_logging(port: int, origin: str, cores: tuple[int, ...], folder: Path) -> Command:
    """Run nginx with an access log."""
    return _nginx("nginx, log", port, origin, cores, folder, "access")


def nginx(port: int, origin: str, cores: tuple[int, ...], folder: Path) -> Command:
    """Run nginx without one."""
    return _nginx("nginx", port, origin, cores, folder, "")


def varnish(port: int, origin: str, cores: tuple[int, ...], folder: Path) -> Command:
    """Run Varnish; it writes no log of its own."""
    place = folder / "varnish"
    place.mkdir()
    (place / "vcl").write_text(_VARNISH.format(port=origin.rpartition(":")[2]))
    argv = (
        *("varnishd", "-F", "-n", str(place / "work"), "-a", f"127.0.0.1:{port}", "-f", str(place / "vcl")),
        *("-s", "malloc,64m", "-p", "thread_pools=1"),
    )
    return Command(name="varnish", argv=argv, cores=cores)


def fastify(port: int, origin: str, cores: tuple[int, ...], _: Path) -> Command:
    """Run Fastify."""
    environment = {"NODE_ENV": "production", "PORT": str(port), "ORIGIN": origin}
    argv = ("node", str(FOLDER / "fastify_buffer.mjs"))
    return Command(name="fastify", argv=argv, cores=cores, environment=environment)


def fastapi(port: int, _: str, cores: tuple[int, ...], __: Path) -> Command:
    """Run FastAPI."""
    server = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    argv = (sys.executable, "-m", "uvicorn", "bench.hit.fastapi_bytes:app", "--port", str(port), *server)
    return Command(name="fastapi", argv=argv, cores=cores)


TARGETS: Final[dict[str, Make]] = {
    OURS: ours,
    LIMITED: limited,
    "nginx, log": nginx_logging,
    "nginx": nginx,
    "varnish": varnish,
    "fastify": fastify,
    "fastapi": fastapi,
}
_PROGRAMS: Final = {"nginx, log": "nginx", "nginx": "nginx", "varnish": "varnishd", "fastify": "node"}


def available(name: str) -> bool:
    """Tell whether a target's program is here."""
    return name not in _PROGRAMS or shutil.which(_PROGRAMS[name]) is not None
