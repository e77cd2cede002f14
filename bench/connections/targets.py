"""Who is asked: the gateway, and nginx, which answers the same from a file and writes the same line for each."""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.hit.bodies import BODIES
from bench.process import ROOT, Command

__all__ = ["KINDS", "Kind", "present"]

_NGINX: Final = """daemon off; worker_processes {workers}; worker_rlimit_nofile 20000;
pid {folder}/pid; error_log {folder}/errors; user root;
events {{ worker_connections 20000; }}
http {{
  sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10 inactive=60s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  access_log {folder}/access; default_type application/json;
  server {{ listen 127.0.0.1:{port} reuseport backlog=4096; root {folder}/files; }}
}}
"""

Make = Callable[[int, int, tuple[int, ...], Path], Command]


def gateway(port: int, workers: int, cores: tuple[int, ...], folder: Path) -> Command:
    """Run it as an operator does, with its log in a file."""
    program = [sys.executable, "-m", "stagedoor", "run", "bench.hit.shop:app", "--workers", str(workers)]
    line = f"exec {shlex.join(program)} > {shlex.quote(str(folder / 'lines'))}"
    environment = {
        "SHOP_PORT": str(port),
        "SHOP_MAX_CONNECTIONS": "20000",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
    }
    return Command(name=f"{workers} workers", argv=("sh", "-c", line), cores=cores, environment=environment)


def nginx(port: int, workers: int, cores: tuple[int, ...], folder: Path) -> Command:
    """Run it with a socket for each worker, as we do."""
    (folder / "files").mkdir()
    (folder / "files" / "small").write_bytes(BODIES["small"])
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(workers=workers, port=port, folder=folder))
    return Command(
        name=f"nginx, {workers}", argv=("nginx", "-c", str(config), "-p", str(folder)), cores=cores
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: who, with how many workers, for which part of the crowd, and which row it is compared with."""

    make: Make
    workers: int
    one: str
    part: float = 1.0

    @property
    def bound(self) -> bool:
        """Tell whether our bounds are held against it."""
        return self.make is gateway


# The third has with one worker what each of two has.
KINDS: Final[Mapping[str, Kind]] = {
    "1": Kind(gateway, 1, "1"),
    "2": Kind(gateway, 2, "1"),
    "1, half the crowd": Kind(gateway, 1, "1", 0.5),
    "nginx, 1": Kind(nginx, 1, "nginx, 1"),
    "nginx, 2": Kind(nginx, 2, "nginx, 1"),
}


def present() -> list[str]:
    """Return the rows whose program is here."""
    return [name for name, kind in KINDS.items() if kind.make is gateway or shutil.which("nginx")]
