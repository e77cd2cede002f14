"""nginx before the gateway, with the files that are shipped: only paths and addresses are this machine's."""

import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.whole.programs import ROOT, answers_http, program
from tests.servers import LOOPBACK, Recipe, Unavailable, parental

__all__ = ["STATUS", "nginx"]

FILES = ROOT / "deploy/nginx"
STATUS = "/stub_status"
_TLS = {"certificate": "crt", "key": "key"}


def nginx(gateway: int, ports: Mapping[str, int], site: str = "development") -> Recipe:
    """Say how nginx is run before a gateway's port, on the ports `http`, `https` and `status`. Raise `Unavailable`.

    `site` is development or production.
    """
    binary = program("nginx", "nginx-light")
    if not FILES.exists():
        raise Unavailable(f"nginx: {FILES} is not there")

    def prepare(folder: Path) -> None:
        subprocess.run([sys.executable, FILES / "certificate.py", folder], check=True, capture_output=True)
        places = {"/etc/nginx/cinema/": f"{folder}/", "/etc/nginx/tls/": f"{folder}/", "/tmp/": f"{folder}/"}  # noqa: S108 - nginx's own
        places |= {f"/run/secrets/tls_{name}": f"{folder}/tls.{end}" for name, end in _TLS.items()}
        addresses = {
            "$gateway:8000": f"$gateway:{gateway}",
            "listen 8080": f"listen {LOOPBACK}:{ports['http']}",
            "listen 8443": f"listen {LOOPBACK}:{ports['https']}",
            "listen 8081": f"listen {LOOPBACK}:{ports['status']}",
            "/dev/stdout": f"{folder}/access.log",
        }
        for source in ("nginx.conf", f"{site}.conf", "gateway.conf", "refusals.conf"):
            text = (FILES / source).read_text()
            target = "site.conf" if source == f"{site}.conf" else source
            (folder / target).write_text(_replaced(text, places | addresses))
        # An address needs no resolver; start.sh names one, the gateway and the port, in containers.
        said = {"$gateway": LOOPBACK, "$https_port": f'":{ports["https"]}"'}
        maps = [f"map $host {name} {{ default {value}; }}\n" for name, value in said.items()]
        (folder / "resolver.conf").write_text("".join(maps))
        folder.chmod(0o755)  # where root starts it, its workers are somebody else

    def command(folder: Path, _: int) -> list[str]:
        return [*parental(), binary, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-g", "daemon off;"]

    return Recipe(
        name="nginx",
        url=f"http://{LOOPBACK}:{{port}}",
        prepare=prepare,
        command=command,
        answers=lambda _: answers_http(ports["status"]),
        farewell=signal.SIGQUIT,
        port=lambda: ports["http"],
    )


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """Replace each word once: what stands in its place may hold another one."""
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)
