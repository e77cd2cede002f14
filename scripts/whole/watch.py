"""Prometheus, Alertmanager and the exporters, with the files that are shipped: only addresses are this machine's."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.whole.door import STATUS
from scripts.whole.programs import ROOT, program, web
from tests.servers import LOOPBACK, Recipe, Server

__all__ = ["alertmanager", "exporters", "local", "prometheus"]

FILES = ROOT / "deploy/prometheus"
Find = Callable[[], Recipe]


def exporters(found: Mapping[str, Server], ports: Mapping[str, int]) -> Iterator[tuple[str, Find]]:
    """Yield who watches which of the servers that run, by the service's name in compose.yaml."""

    def listening(flag: str, name: str) -> str:
        return f"{flag}web.listen-address={LOOPBACK}:{ports[name]}"

    def run(name: str, *words: str, flag: str = "--") -> Find:
        def find() -> Recipe:
            binary = program(f"prometheus-{name}", f"prometheus-{name}")
            return web(
                name, ports[name], lambda _: ["env", *words[:1], binary, listening(flag, name), *words[1:]]
            )

        return find

    yield "node-exporter", run("node-exporter", "A=", "--log.level=error")
    blackbox = f"--config.file={FILES / 'blackbox.yml'}"
    yield "blackbox-exporter", run("blackbox-exporter", "A=", blackbox)
    if "redis" in found:
        address = f"-redis.addr=redis://{LOOPBACK}:{found['redis'].port}"
        yield "redis-exporter", run("redis-exporter", "A=", address, flag="-")
    if "postgres" in found:
        source = f"postgresql://postgres@{LOOPBACK}:{found['postgres'].port}/cinema?sslmode=disable"
        yield "postgres-exporter", run("postgres-exporter", f"DATA_SOURCE_NAME={source}")
    if "nginx" in found:
        status = f"-nginx.scrape-uri=http://{LOOPBACK}:{ports['status']}{STATUS}"
        yield "nginx-exporter", run("nginx-exporter", "A=", status, flag="-")


def local(shipped: str, addresses: Mapping[str, str], rules: Path) -> str:
    """Return the shipped configuration with this machine's addresses; what does not run here is left out."""
    config = yaml.safe_load(shipped)
    config["rule_files"] = [str(rules / "*.yml")]
    config["scrape_configs"] = [job for one in config["scrape_configs"] if (job := _job(one, addresses))]
    config["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": [addresses["alertmanager:9093"]]}]}
        for name in addresses
        if name == "alertmanager:9093"
    ]
    return str(yaml.safe_dump(config, sort_keys=False))


def _job(job: dict[str, Any], addresses: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a job with the targets that there are; None without any."""
    if job.pop("dns_sd_configs", None):
        job["static_configs"] = [{"targets": ["gateway:8000"]}]
    named = job["job_name"] == "services"  # each is called by its name, whatever its address is
    job["static_configs"] = [
        {"targets": [here], "labels": group.get("labels", {}) | _name(target, named)}
        for group in job["static_configs"]
        for target in group["targets"]
        if (here := _here(target, addresses)) is not None
    ]
    if named:
        job.pop("relabel_configs")
    through = [rule for rule in job.get("relabel_configs", []) if rule.get("target_label") == "__address__"]
    for rule in through:
        rule["replacement"] = addresses.get(rule["replacement"], "")
    return job if job["static_configs"] and all(rule["replacement"] for rule in through) else None


def _name(target: str, named: bool) -> dict[str, str]:
    return {"service": target.partition(":")[0]} if named else {}


def _here(target: str, addresses: Mapping[str, str]) -> str | None:
    """Return where a target of compose.yaml is on this machine; None if it is not here."""
    for there, here in addresses.items():
        if there in target:
            return target.replace(there, here)
    return None


def prometheus(config: str, port: int) -> Recipe:
    """Say how Prometheus is run with a configuration. Raise `Unavailable`."""
    binary = program("prometheus", "prometheus")

    def command(folder: Path) -> list[str]:
        where = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        return [binary, *where, f"--web.listen-address={LOOPBACK}:{port}", "--log.level=warn"]

    return web("prometheus", port, command, lambda folder: _write(folder / "prometheus.yml", config))


def alertmanager(port: int, receiver: str = "") -> Recipe:
    """Say how Alertmanager is run; `receiver` is an address that alerts are sent to. Raise `Unavailable`."""
    binary = program("prometheus-alertmanager", "prometheus-alertmanager")

    def command(folder: Path) -> list[str]:
        where = [f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}"]
        alone = "--cluster.listen-address="
        return [binary, *where, f"--web.listen-address={LOOPBACK}:{port}", alone, "--log.level=warn"]

    def prepare(folder: Path) -> None:
        config = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
        if receiver:
            config["receivers"][0]["webhook_configs"] = [{"url": receiver, "send_resolved": True}]
        _write(folder / "alertmanager.yml", yaml.safe_dump(config, sort_keys=False))

    return web("alertmanager", port, command, prepare)


def _write(file: Path, text: str) -> None:
    file.write_text(text)
