"""Run the whole platform on this machine with its real servers, until Ctrl-C: `make stack`.

PostgreSQL, Valkey, SeaweedFS and the search node come as the tests get them; nginx, Prometheus, Alertmanager and the
exporters from Debian's packages, where they are. What is not there is said, and done without. Data lies in temporary
folders and goes with it. `--addresses FILE` writes where everything is, `--free-ports` takes any ports.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from cinema.services import SERVICES
from scripts.whole.data import data_servers, settings_for
from scripts.whole.door import nginx
from scripts.whole.ready import until_ready
from scripts.whole.watch import FILES, Find, alertmanager, exporters, local, prometheus
from tests.servers import LOOPBACK, Server, Unavailable, free_port, temporary

PORTS = {
    "gateway": 8000,
    "users": 8001,
    "orders": 8002,
    "products": 8003,
    "memes": 8004,
    "media": 8005,
    "ghibli": 8006,
    "http": 8080,
    "https": 8443,
    "status": 8081,
    "prometheus": 9090,
    "alertmanager": 9093,
    "node-exporter": 9100,
    "nginx-exporter": 9113,
    "blackbox-exporter": 9115,
    "redis-exporter": 9121,
    "postgres-exporter": 9187,
}
_STOP_SECONDS = 20.0


def main() -> int:
    """Run it; return the exit code."""
    options = argparse.ArgumentParser(prog="make stack", description=__doc__.splitlines()[0])
    options.add_argument("--addresses", type=Path)
    options.add_argument("--free-ports", action="store_true")
    options.add_argument("--receiver", default="", help="where alerts are sent, as in http://127.0.0.1:9999/")
    said = options.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    ports = {name: free_port() for name in PORTS} if said.free_ports else PORTS
    try:
        with ExitStack() as stack:
            return _run(stack, ports, said)
    except KeyboardInterrupt:
        return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(stack: ExitStack, ports: Mapping[str, int], said: argparse.Namespace) -> int:
    found: dict[str, Server] = {}
    for name, server in data_servers(stack):
        _note(found, name, server)
    settings = settings_for(found) | _addresses_of_services(ports)
    platform = _platform(stack, settings)
    _start(stack, found, "nginx", partial(nginx, ports["gateway"], ports))
    for name, find in exporters(found, ports):
        _start(stack, found, name, find)
    _start(stack, found, "alertmanager", partial(alertmanager, ports["alertmanager"], said.receiver))
    config = local((FILES / "prometheus.yml").read_text(), _local_addresses(found, ports), FILES / "rules")
    _start(stack, found, "prometheus", partial(prometheus, config, ports["prometheus"]))
    if not until_ready(ports["gateway"], lambda: platform.poll() is None, _say):
        _say("the platform did not become ready; its last lines are above")
        return 1
    _show(found, settings, said.addresses)
    return platform.wait()


def _say(line: str) -> None:
    print(f"stack: {line}", flush=True)


def _note(found: dict[str, Server], name: str, server: Server | str) -> None:
    if isinstance(server, str):
        _say(f"without {name}: {server}")
        return
    found[name] = server
    _say(f"{name} at {server.url}")


def _start(stack: ExitStack, found: dict[str, Server], name: str, find: Find) -> None:
    try:
        _note(found, name, stack.enter_context(temporary(find)))
    except Unavailable as missing:
        _note(found, name, str(missing))


def _addresses_of_services(ports: Mapping[str, int]) -> dict[str, str]:
    urls = {one.setting: f"http://{LOOPBACK}:{ports[name]}" for name, one in SERVICES.items()}
    return {"GATEWAY_PORT": str(ports["gateway"]), **urls}


def _platform(stack: ExitStack, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "cinema", "up"]
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cinema-", ignore_cleanup_errors=True))
    # In a folder of its own: what `make run` keeps in ./data, and what stands in .env, is of another platform.
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}, start_new_session=True)
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _local_addresses(found: Mapping[str, Server], ports: Mapping[str, int]) -> dict[str, str]:
    """Return where each host of compose.yaml is here."""
    there = {f"{name}:{PORTS[name]}": ports[name] for name in ("gateway", *SERVICES, "prometheus")}
    there["localhost:9090"] = ports["prometheus"]
    there |= {f"{name}:{PORTS[name]}": ports[name] for name in found if name in PORTS}
    there |= {f"nginx:{PORTS['https']}": ports["https"]} if "nginx" in found else {}
    there |= {"s3:8333": found["s3"].port} if "s3" in found else {}
    there |= {"opensearch:9200": found["search"].port} if "search" in found else {}
    return {name: f"{LOOPBACK}:{port}" for name, port in there.items()}


def _show(found: Mapping[str, Server], settings: Mapping[str, str], file: Path | None) -> None:
    where = {name: server.url for name, server in found.items()}
    where["gateway"] = f"http://{LOOPBACK}:{settings['GATEWAY_PORT']}"
    _say("healthy; Ctrl-C stops everything, and its data goes with it")
    for name, url in where.items():
        _say(f"{name:<18} {url}")
    if file is not None:
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps({"addresses": where, "settings": dict(settings)}))
        fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main())
