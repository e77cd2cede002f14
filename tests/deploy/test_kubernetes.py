"""What kustomize builds is valid, and keeps what is promised of every container."""

import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.manifests import built, containers_of, named

OVERLAYS = ("development", "production")
VERSION = "1.37"
OURS = {"gateway", "users", "orders", "products", "memes", "media", "ghibli", "etl", "nginx"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_what_its_schema_says(overlay: str) -> None:
    """A misspelt field would be dropped by the cluster without a word."""
    for one in built(overlay):
        kubernetes_validate.validate(one, VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_t23_no_container_runs_as_root_or_may_become_it(overlay: str) -> None:
    """T23: one line forgotten in one of twenty containers is where somebody gets in."""
    for name, container, pod in containers_of(overlay):
        own = container["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert (own["allowPrivilegeEscalation"], own["capabilities"]) == (False, {"drop": ["ALL"]}), name
        assert own.get("readOnlyRootFilesystem") or name in {"postgres", "redis", "opensearch", "s3"}, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_bounded_and_asked_whether_it_is_well(overlay: str) -> None:
    """Contract 8: ready decides on traffic, live on restarts; an outage elsewhere restarts nobody."""
    for name, container, pod in containers_of(overlay):
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"]["cpu"], name
        runs_on = pod.get("restartPolicy", "Always") == "Always"
        if runs_on and container in pod["containers"] and container["name"] != "bucket":
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name
    (gateway,) = named(overlay, "Deployment")["gateway"]["spec"]["template"]["spec"]["containers"]
    assert gateway["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/health/ready"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_image_has_a_version(overlay: str) -> None:
    """What `latest` is tomorrow nobody has tried."""
    images = {container["image"] for _, container, _ in containers_of(overlay)}

    assert [image for image in images if ":" not in image or image.endswith(":latest")] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_budgets_and_scalers_point_to_what_is_there(overlay: str) -> None:
    """A budget for nobody protects nobody."""
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in built(overlay)
        if one["kind"] in {"Deployment", "StatefulSet"}
    ]
    selectors = [
        (one["kind"], one["metadata"]["name"], selector)
        for one in built(overlay)
        if one["kind"] in {"Service", "PodDisruptionBudget", "NetworkPolicy"}
        and (selector := _selector(one["spec"]))
    ]
    deployments = named(overlay, "Deployment")

    assert set(deployments) == OURS
    assert [one for one in selectors if not any(one[2].items() <= own.items() for own in labels)] == []
    for scaler in named(overlay, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in deployments


def _selector(spec: dict[str, Any]) -> dict[str, str]:
    found = spec.get("selector") or spec.get("podSelector") or {}
    return dict(found.get("matchLabels", found))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_world_reaches_nginx_alone(overlay: str) -> None:
    """Contract 1.1: media never, the services not, the gateway only by nginx."""
    policies = named(overlay, "NetworkPolicy")
    open_to_all = [
        name
        for name, one in policies.items()
        for rule in one["spec"].get("ingress", [])
        if "from" not in rule
    ]
    outside = [name for name, one in named(overlay, "Service").items() if "type" in one["spec"]]

    assert policies["nobody-comes-in"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert (open_to_all, outside) == (["world-to-nginx"], ["nginx"])
    (to_media,) = policies["gateway-and-memes-to-media"]["spec"]["ingress"]
    assert {one["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for one in to_media["from"]} == {
        "gateway",
        "memes",
    }


def test_t23_production_holds_no_secret() -> None:
    """T23: it refers to secrets that somebody else has made, and hands them over as files."""
    assert named("production", "Secret") == {}
    settings = next(one["data"] for name, one in named("production", "ConfigMap").items() if "cinema" in name)
    assert [name for name in settings if name.endswith(("_TOKEN", "_KEY", "_PASSWORD", "DATABASE_URL"))] == []
    assert settings["DATABASE_URL_FILE"] == "/run/secrets/cinema/database_url"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whoever_uses_the_database_waits_for_its_migration(overlay: str) -> None:
    """Contract 12: the new version never serves on the old tables."""
    for name in ("users", "orders", "products", "memes", "etl"):
        pod = named(overlay, "Deployment")[name]["spec"]["template"]["spec"]
        assert [(one["args"], one["image"]) for one in pod["initContainers"]] == [
            (["migrate", "--wait", "120"], pod["containers"][0]["image"])
        ]


def job(overlay: str, name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what a CronJob says, its pod and its container."""
    said = named(overlay, "CronJob")[name]["spec"]
    pod = said["jobTemplate"]["spec"]["template"]["spec"]
    return said, pod, pod["containers"][0]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_backup_is_taken_every_night_and_put_back_by_hand_alone(overlay: str) -> None:
    """T23: each has the keys of both of its stores and no others, and a claim that outlives it."""
    assert [job(overlay, name)[0].get("suspend") for name in ("backup", "restore")] == [None, True]
    for name in ("backup", "restore"):
        said, pod, container = job(overlay, name)
        volumes = {one["name"]: one for one in pod["volumes"]}
        keys = {one["key"] for one in volumes["secrets"]["secret"]["items"]}
        settings = {one["name"]: one for one in container["env"] if "valueFrom" in one}
        held = next(
            one["data"] for key, one in named(overlay, "ConfigMap").items() if "cinema-settings" in key
        )
        names = {one["valueFrom"]["configMapKeyRef"]["key"] for one in settings.values()}

        assert (said["concurrencyPolicy"], pod["restartPolicy"]) == ("Forbid", "Never")
        assert keys == {"database_url", "s3_access_key", "s3_secret_key"}
        assert volumes["backups"]["persistentVolumeClaim"]["claimName"] in named(
            overlay, "PersistentVolumeClaim"
        )
        assert names == set(settings)
        assert names <= set(held)


def run(container: dict[str, Any], folder: Path, **said: str) -> str:
    """Run what a container runs, in a folder; return what `cinema` was told."""
    tool = folder / "bin" / "cinema"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho $*\n")
    tool.chmod(0o755)
    env = {one["name"]: one["value"] for one in container["env"] if "value" in one} | said
    done = subprocess.run(
        container["command"],
        cwd=folder,
        env={"PATH": f"{tool.parent}:{os.environ['PATH']}", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.strip()


def whole(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir()
        (folder / name / "manifest.json").touch()


def test_of_many_backups_the_newest_stay_and_none_is_lost_to_one_that_failed(tmp_path: Path) -> None:
    """A claim that is full takes no backup; and after a week of nights that were cut off there is still one."""
    nights = [f"2026-01-{day:02}T031700Z" for day in range(1, 21)]
    whole(tmp_path, *nights, "monday")
    (tmp_path / "2026-01-21T031700Z").mkdir()
    (tmp_path / "2026-01-22T031700Z").mkdir()
    os.utime(tmp_path / "2026-01-21T031700Z", (0, 0))

    told = run(job("production", "backup")[2], tmp_path)

    assert told.startswith("backup 20")
    assert told.endswith("Z")
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        *nights[-13:],
        "2026-01-22T031700Z",  # somebody may be at it
        "bin",
        "monday",
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "restore 2026-01-02T031700Z"),
        ({"BACKUP": "monday"}, "restore monday"),
        ({"OVERWRITE": "yes"}, "restore --overwrite 2026-01-02T031700Z"),
    ],
)
def test_a_restore_takes_the_newest_that_is_whole(tmp_path: Path, said: dict[str, str], told: str) -> None:
    """What was cut off is no backup."""
    whole(tmp_path, "2026-01-01T031700Z", "2026-01-02T031700Z", "monday")
    (tmp_path / "2026-01-03T031700Z").mkdir()

    assert run(job("production", "restore")[2], tmp_path, **said) == told
