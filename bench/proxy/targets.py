"""What is compared: a passage of the kit, nginx and Caddy, each with one thread; and the nginx that has the files."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.process import ROOT, Command

__all__ = ["OURS", "PEERS", "TARGETS", "origin"]

OURS: Final = "stagedoor"
PEERS: Final = ("nginx", "caddy")

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
    access_log {log};
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {rest}
}}
"""
# Whatever is asked for below a file's name is that file, so that no path has to be asked for twice.
_ORIGIN = """
    server {{
        listen 127.0.0.1:{port};
        location = /calls {{ stub_status; }}
        location ~ ^/files/([0-9]+)/ {{ default_type application/octet-stream; alias {files}/$1; }}
    }}
"""
_PASSING = """
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_max_temp_file_size 0;
        }}
    }}
"""
_CADDY = """
{{
    admin off
    auto_https off
    storage file_system {folder}/storage
}}
http://127.0.0.1:{port} {{
    log {{
        output file {folder}/log
    }}
    reverse_proxy 127.0.0.1:{origin}
}}
"""


def origin(port: int, cores: tuple[int, ...], scratch: Path) -> Command:
    """Run who has the files."""
    rest = _ORIGIN.format(port=port, files=scratch)
    return _nginx("origin", rest, cores, scratch / "origin", log="off")


def nginx(port: int, behind: int, cores: tuple[int, ...], scratch: Path) -> Command:
    """Run nginx, with its log of requests, and no temporary file between the two sides."""
    folder = scratch / "nginx"
    return _nginx("nginx", _PASSING.format(port=port, origin=behind), cores, folder, log=f"{folder}/log")


def caddy(port: int, behind: int, cores: tuple[int, ...], scratch: Path) -> Command:
    """Run Caddy, with its log of requests."""
    folder = scratch / "caddy"
    folder.mkdir()
    file = folder / "Caddyfile"
    file.write_text(_CADDY.format(port=port, origin=behind, folder=folder))
    argv = ("caddy", "run", "--config", str(file), "--adapter", "caddyfile")
    return Command(
        name="caddy",
        argv=argv,
        cores=cores,
        environment={"GOMAXPROCS": "1", "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )


def stagedoor(port: int, behind: int, cores: tuple[int, ...], _: Path) -> Command:
    """Run a gateway of one passage, as an operator does: policies, limits, metrics, a line in the log."""
    return Command(
        name=OURS,
        argv=(sys.executable, "-m", "stagedoor", "run", "bench.proxy.app:app", "--port", str(port)),
        cores=cores,
        environment={
            "PYTHONPATH": str(ROOT / "src"),
            "PASSING_FILES_URL": f"http://127.0.0.1:{behind}",
        },
    )


def _nginx(name: str, rest: str, cores: tuple[int, ...], folder: Path, *, log: str) -> Command:
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # the files of a bench are root's alone
    file = folder / "conf"
    file.write_text(_NGINX.format(user=user, folder=folder, log=log, rest=rest))
    return Command(name=name, argv=("nginx", "-e", f"{folder}/errors", "-c", str(file)), cores=cores)


TARGETS: Final[dict[str, Callable[[int, int, tuple[int, ...], Path], Command]]] = {
    OURS: stagedoor,
    "nginx": nginx,
    "caddy": caddy,
}
