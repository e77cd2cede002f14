"""The compose files keep what is promised of every container, before any is started."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from cinema.setting_names import nobodys
from cinema.settings import Settings
from stagedoor import _problems as problems
from stagedoor._door.limits import DoorLimits
from tests.deploy.manifests import ROOT, compose

FILES = ("compose.yaml", "compose.prod.yaml")
JOBS = {"migrate", "seed", "certificate", "s3-bucket", "backup", "restore"}


@pytest.mark.parametrize("file", FILES)
def test_t23_our_containers_have_no_root_no_writable_root_and_no_capability(file: str) -> None:
    """T23: what breaks in finds nothing to write and nothing to become."""
    ours = {
        name: one for name, one in compose(file)["services"].items() if one["image"].startswith("cinema:")
    }

    assert len(ours) >= 9
    for name, one in ours.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "user" not in one or name == "certificate", name


def test_production_publishes_nginx_alone() -> None:
    """Contract 1.1: in production only nginx stands in front of the gateway."""
    assert [name for name, one in compose("compose.prod.yaml")["services"].items() if "ports" in one] == [
        "nginx"
    ]


def test_development_publishes_on_this_machine_alone() -> None:
    """Its passwords are known to everybody."""
    ports = [port for one in compose("compose.yaml")["services"].values() for port in one.get("ports", [])]

    assert [port for port in ports if not port.startswith("${STACK_BIND:-127.0.0.1}:")] == []
    published = {int(port.rpartition(":")[2]) for port in ports}
    assert {8000, 9090, 3000, 9121, 9100} <= published  # contract 8
    assert 8005 not in published  # contract 1.1: media is never reachable


def test_t15_production_names_no_secret_but_by_its_file() -> None:
    """T15: what stands in an environment or a command line, `inspect` shows."""
    secret = re.compile(r"password|token|secret|_key|requirepass|database_url|redis_url", re.IGNORECASE)
    for name, one in compose("compose.prod.yaml")["services"].items():
        said = {
            key: value for key, value in one.get("environment", {}).items() if secret.search(key) and value
        }
        assert [key for key in said if not key.endswith("_FILE")] == [], name
        words = [word for word in one.get("command", []) if secret.search(str(word))]
        assert words == [] or all("/run/secrets/" in word for word in words), name


def test_t15_who_reads_a_secret_is_given_its_file_and_no_other() -> None:
    """T15: a file that is not mounted stops the container; one that nobody reads there is shown for nothing."""
    for name, one in compose("compose.prod.yaml")["services"].items():
        if one["image"].startswith("cinema:"):
            read = {value for key, value in one.get("environment", {}).items() if key.endswith("_FILE")}
            assert read == {f"/run/secrets/{secret}" for secret in one.get("secrets", [])}, name


def test_a_backup_of_production_has_the_keys_to_both_of_its_stores() -> None:
    """Issue 15.5: the database that all use and the bucket of the media service; started only when asked for."""
    services = compose("compose.prod.yaml")["services"]
    media = services["media"]["environment"]
    where = {name: value for name, value in media.items() if name.startswith("MEDIA_S")}
    where["DATABASE_URL_FILE"] = services["memes"]["environment"]["DATABASE_URL_FILE"]

    assert len(where) >= 7
    for name in ("backup", "restore"):
        assert services[name]["environment"] == where
        assert services[name]["profiles"] == ["backup"]
        assert services[name]["volumes"] == ["${STACK_BACKUPS:-./backups}:/backups"]


@pytest.mark.parametrize(("words", "named"), [(["monday"], "monday"), ([], r"\d{4}-\d\d-\d\dT\d{6}Z")])
def test_a_backup_without_a_name_is_named_after_its_moment(
    tmp_path: Path, words: list[str], named: str
) -> None:
    """Issue 15.5: a line of cron is the same every day, and a backup wants a folder of its own."""
    cinema = tmp_path / "cinema"
    cinema.write_text('#!/bin/sh\necho "$@"\n')
    cinema.chmod(0o755)
    entry = [
        word.replace("$$", "$") for word in compose("compose.prod.yaml")["services"]["backup"]["entrypoint"]
    ]
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run([*entry, *words], env={"PATH": path}, capture_output=True, text=True, check=True)

    assert re.fullmatch(f"backup {named}\n", done.stdout)


def test_the_wall_knows_who_may_write() -> None:
    """The meme service shows its forms by the gateway's settings: else who may not write fills one in for nothing."""
    services = compose("compose.prod.yaml")["services"]
    gateway, memes = services["gateway-1"]["environment"], services["memes"]["environment"]
    who = {name for name in gateway if name.startswith(("GATEWAY_AUTH", "GATEWAY_JWT_"))}

    assert len(who) >= 4
    assert {name: memes.get(name) for name in who} == {name: gateway[name] for name in who}


def test_h10_what_nginx_refuses_has_the_form_of_the_gateways_refusals() -> None:
    """H10: the status of the body is that of the answer, and its type the one that the gateway has for it."""
    text = (ROOT / "deploy/nginx/nginx.conf").read_text()
    (table,) = re.findall(r"map \$status \$problem \{(.*?)\n    \}", text, re.DOTALL)
    said = {
        status: json.loads(body)
        for status, body in re.findall(r"^ *(\w+) +'(.*)';$", table.replace("$instance", ""), re.MULTILINE)
    }
    gateway = (ROOT / "deploy/nginx/refusals.conf").read_text()
    (pages,) = re.findall(r"^error_page ([\d ]+) /.problem;", gateway, re.MULTILINE)
    answered = {*pages.split(), *re.findall(r"=(\d+) /.problem", gateway)}

    assert {
        status for status in answered if str(said.get(status, said["default"])["status"]) != status
    } == set()
    for one in said.values():
        usual = problems.method_not_allowed("") if one["status"] == 405 else problems.usual(one["status"])
        assert usual is not None
        assert (one["type"], one["title"]) == (f"urn:problem-type:cinema:{usual.kind}", usual.title)


def test_t5_nginx_lets_no_client_say_what_the_gateway_believes_of_it() -> None:
    """T5: whose word counts because of where it comes from must not be what somebody else has written."""
    text = (ROOT / "deploy/nginx/gateway.conf").read_text()
    said = dict(re.findall(r"^ *proxy_set_header (\S+) (.*);", text, re.MULTILINE))
    believed = {"X-Forwarded-Prefix", "Forwarded", "Stagedoor-Deadline-Ms", "Stagedoor-Attempt"}

    assert {name: said.get(name) for name in believed} == dict.fromkeys(believed, '""')
    assert (
        said["X-Forwarded-For"] == "$remote_addr"
    )  # not what the client has sent, and this address behind it


def test_who_sends_a_body_too_slowly_hears_so_from_the_gateway() -> None:
    """Contract 1.4: with nginx' limit at the same moment, some were told 408, and others were cut off."""
    (seconds,) = re.findall(r"client_body_timeout (\d+)s;", (ROOT / "deploy/nginx/nginx.conf").read_text())

    assert DoorLimits().body_timeout + 2 <= int(seconds) <= 30


@pytest.mark.parametrize("file", FILES)
def test_the_gateway_believes_nginx_wherever_the_network_is(file: str) -> None:
    """STACK_SUBNET moves both: else all who come by nginx are one client, with one limit."""
    said = compose(file)
    network = next(iter(said["networks"].values()))
    gateway = next(one for name, one in said["services"].items() if name.startswith("gateway"))

    believed = gateway["environment"]["GATEWAY_TRUSTED_PROXIES"]
    assert believed == network["ipam"]["config"][0]["subnet"]
    assert believed.startswith("${STACK_SUBNET:-")


@pytest.mark.parametrize(("port", "behind"), [("", ""), ("443", ""), ("8443", ":8443")])
def test_plain_http_is_sent_to_the_port_that_is_published(tmp_path: Path, port: str, behind: str) -> None:
    """STACK_HTTPS_PORT: a redirection without it leads to another server, or to none."""
    nginx = tmp_path / "nginx"
    nginx.write_text("#!/bin/sh\n")
    nginx.chmod(0o755)
    script = (ROOT / "deploy/nginx/start.sh").read_text().replace("/tmp/", f"{tmp_path}/")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], env={"PATH": path, "STACK_HTTPS_PORT": port}, check=True)

    assert f'map $host $https_port {{ default "{behind}"; }}' in (tmp_path / "resolver.conf").read_text()
    assert "https://$host$https_port$request_uri" in (ROOT / "deploy/nginx/production.conf").read_text()
    nginx_of = compose("compose.prod.yaml")["services"]["nginx"]
    assert nginx_of["environment"]["STACK_HTTPS_PORT"] == "${STACK_HTTPS_PORT:-443}"


def test_every_container_of_production_is_bounded_and_comes_back() -> None:
    """One that leaks takes no other along; one that dies is started again."""
    for name, one in compose("compose.prod.yaml")["services"].items():
        assert "mem_limit" in one or name in JOBS, name
        assert one["restart"] == ("no" if name in JOBS else "unless-stopped"), name
        assert one["logging"]["options"]["max-size"], name


@pytest.mark.parametrize("file", FILES)
def test_a_container_waits_only_for_jobs_that_depend_on_nothing(file: str) -> None:
    """Podman starts what a container depends on again, and refuses what lies beyond that."""
    services = compose(file)["services"]
    for name, one in services.items():
        for needed in one.get("depends_on", {}):
            assert needed in JOBS, name
            assert not services[needed].get("depends_on"), name


@pytest.mark.parametrize("file", FILES)
def test_both_files_name_the_same_servers_by_the_same_version(file: str) -> None:
    """What is developed on is what runs; no image moves by itself."""
    images = {one["image"] for one in compose(file)["services"].values() if "cinema:" not in one["image"]}
    other = {
        one["image"] for one in compose("compose.yaml")["services"].values() if "cinema:" not in one["image"]
    }

    assert images == other
    assert [image for image in images if image.endswith(":latest") or ":" not in image] == []


@pytest.mark.parametrize("file", FILES)
def test_every_mounted_file_is_there(file: str) -> None:
    """For one that is missing, engines make an empty folder of its name."""
    mounted = [
        volume.split(":")[0]
        for one in compose(file)["services"].values()
        for volume in one.get("volumes", [])
        if volume.startswith("./")
    ]

    assert [path for path in mounted if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["development.env", "production.env.example"])
def test_the_examples_of_environments_name_settings_that_exist(name: str) -> None:
    """A misspelt one would stop every container at its start."""
    lines = (ROOT / "deploy/env" / name).read_text().splitlines()
    known = tuple(setting.upper() for setting in Settings.model_fields)
    said = [line.partition("=")[0] for line in lines if line[:1].isupper()]

    assert [wrong for one in said if (wrong := nobodys(one, known))] == []


def test_grafanas_known_password_is_for_development_alone(tmp_path: Path) -> None:
    """Contract 8: the password comes from the environment; production refuses one that everybody knows."""
    assert "GF_SECURITY_ADMIN_PASSWORD=admin123" in (ROOT / "deploy/env/development.env").read_text()
    grafana = compose("compose.prod.yaml")["services"]["grafana"]
    assert grafana["entrypoint"][:3] == [
        "/bin/sh",
        "/deploy/refuse-known-password.sh",
        "/run/secrets/grafana_password",
    ]
    script = ROOT / "deploy/refuse-known-password.sh"
    file = tmp_path / "password"
    told = {}
    for password in ("admin123", "admin", "", "short", "long enough and new"):
        file.write_text(password + "\n")
        done = subprocess.run(
            ["sh", script, file, "echo", "runs"], capture_output=True, text=True, check=False
        )
        told[password] = (done.returncode, done.stdout)

    assert told.pop("long enough and new") == (0, "runs\n")
    assert set(told.values()) == {(1, "")}


def test_t15_secrets_are_made_once_and_stay(tmp_path: Path) -> None:
    """T15: none is in the repository; making them again changes none."""
    for name in ("secrets.sh", "refuse-known-password.sh"):
        (tmp_path / name).write_text((ROOT / "deploy" / name).read_text())
    first = subprocess.run(
        ["sh", tmp_path / "secrets.sh", "cinema.example"], capture_output=True, check=False
    )
    assert first.returncode == 0, first.stderr
    files = {file.name: file.read_bytes() for file in (tmp_path / "secrets").iterdir()}
    subprocess.run(["sh", tmp_path / "secrets.sh"], capture_output=True, check=True)

    assert {file.name: file.read_bytes() for file in (tmp_path / "secrets").iterdir()} == files
    wanted = {
        name for one in compose("compose.prod.yaml")["services"].values() for name in one.get("secrets", [])
    }
    assert wanted <= set(files)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
