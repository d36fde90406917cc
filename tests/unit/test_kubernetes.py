"""The manifests against Kubernetes' own schemas, and against the programs that they start. There is no cluster here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

import api.__main__
import worker
from api.authentication import OPEN_PATHS, require_keys
from channels.configured import configured_channels, require_to_send
from runtime import probes
from runtime.listening import host_and_port
from settings import SECRETS, Settings, SettingsError
from tests.support import kustomize
from tests.support.kustomize import BASE, EXAMPLE, FOLDER, KUSTOMIZATION, Resource, built, kustomization, pod_of
from tests.support.product import ROOT
from tests.support.secrets_used import SECRETS_USED
from tests.support.settings_for import REQUIRED

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
RESOURCES = built(EXAMPLE)
PROGRAMS = kustomize.programs(RESOURCES)
OLDEST, NEWEST = "1.31", kubernetes_validate.latest_version().rpartition(".")[0]
STAY = ("worker", "api")
MOUNTED = "/run/secrets"

programs = pytest.mark.parametrize("program", PROGRAMS)
what_stays = pytest.mark.parametrize("program", STAY)


def of_kind(kind: str) -> dict[str, Resource]:
    return {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] == kind}


def pod(program: str) -> Resource:
    return pod_of(PROGRAMS[program])


def container(program: str) -> Resource:
    return kustomize.container_of(PROGRAMS[program])


def environment(program: str) -> dict[str, str]:
    """What the program finds in its environment."""
    [source] = container(program)["envFrom"]
    shared = of_kind("ConfigMap")[source["configMapRef"]["name"]]["data"]
    return kustomize.environment_of(PROGRAMS[program], shared)


def mounted_secrets(program: str) -> set[str]:
    names: set[str] = set()
    for volume in pod(program)["volumes"]:
        if secret := volume.get("secret"):
            items = {each["key"]: each["path"] for each in secret["items"]}
            assert items == {key: key for key in items}
            assert set(items) <= set(of_kind("Secret")[secret["secretName"]]["stringData"])
            names |= set(items)
    return names


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_kubernetes_takes_it(resource: Resource, version: str) -> None:
    assert kubernetes_validate.validate(resource, version, strict=True) == version


def test_kubernetes_would_refuse_what_it_does_not_know() -> None:
    wrong = built(EXAMPLE)
    [deployment] = [each for each in wrong if each["kind"] == "Deployment" and "worker" in each["metadata"]["name"]]
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=lambda folder: folder.name)
def test_the_kustomization_names_every_file(folder: Path) -> None:
    wanted = kustomization(folder)
    named = [*wanted["resources"], *(patch["path"] for patch in wanted.get("patches", []))]
    files = {file.name for file in folder.iterdir()} - {KUSTOMIZATION}
    assert {name for name in named if not (folder / name).is_dir()} == files
    assert len(named) == len(set(named))


def test_every_manifest_is_in_one_of_the_folders() -> None:
    assert {file.parent for file in FOLDER.rglob("*.yaml")} == {BASE, EXAMPLE}


def test_it_runs_what_compose_runs() -> None:
    assert set(PROGRAMS) == {
        name for name, service in COMPOSE.items() if service["image"].startswith("expiry-notifier")
    }
    for program, resource in PROGRAMS.items():
        assert container(program)["command"] == COMPOSE[program]["command"]
        assert (resource["kind"] == "Job") == (program not in STAY)


def test_the_image_is_composes() -> None:
    image = COMPOSE["worker"]["image"]
    in_base = {
        each["image"]
        for resource in built(BASE)
        if "template" in resource["spec"]
        for each in pod_of(resource)["containers"]
    }
    assert in_base == {image}
    [override] = kustomization(EXAMPLE)["images"]
    assert f"{override['name']}:{override['newTag']}" == image
    assert {container(program)["image"] for program in PROGRAMS} == {f"{override['newName']}:{override['newTag']}"}


@programs
def test_its_variables_are_settings(program: str) -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert {name for name in environment(program) if not name.startswith("TEMPORAL_")} <= known
    assert not {secret.upper() for secret in SECRETS} & set(environment(program))


@programs
def test_it_has_the_secrets_that_it_uses_as_files_and_no_others(program: str) -> None:
    assert mounted_secrets(program) == SECRETS_USED[program]
    found = environment(program)
    files = {found[f"{secret.upper()}_FILE"] for secret in SECRETS if f"{secret.upper()}_FILE" in found}
    assert files - {"/dev/null"} == {f"{MOUNTED}/{secret}" for secret in SECRETS_USED[program]}
    mounts = {each["name"]: each for each in container(program)["volumeMounts"]}
    if SECRETS_USED[program]:
        assert (mounts["secrets"]["mountPath"], mounts["secrets"]["readOnly"]) == (MOUNTED, True)


@programs
def test_it_loads_with_values_of_ones_own_and_not_with_the_examples(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = {name: value for name, value in REQUIRED.items() if name.lower() not in SECRETS}
    own |= {"SMTP_EHLO_HOST": "mail.platform.example"}
    secrets = {name.lower(): value for name, value in REQUIRED.items() if name.lower() in SECRETS}
    secrets |= {
        "telegram_bot_token": "123:of-the-tests-only-and-long-enough",
        "unsubscribe_secret": REQUIRED["API_KEYS"],
    }
    for name in of_kind("Secret")["expiry-secrets"]["stringData"]:
        (tmp_path / name).write_text(secrets.get(name, ""))
    for name, value in environment(program).items():
        monkeypatch.setenv(name, value.replace(MOUNTED, str(tmp_path)))
    with pytest.raises(SettingsError, match=r"is an example|placeholder"):
        Settings.load()
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    if program in ("worker", "schedules"):
        assert [channel.name for channel in configured_channels(settings)] == ["email", "telegram"]
    if program == "worker":
        require_to_send(settings)
    if program == "api":
        require_keys(settings)


def test_the_secrets_are_placeholders_and_all_that_somebody_uses() -> None:
    values = of_kind("Secret")["expiry-secrets"]["stringData"]
    assert set(values) == set().union(*(SECRETS_USED[program] for program in PROGRAMS))
    assert all(not value or "change-me" in value for value in values.values())


def probed(program: str) -> dict[str, tuple[str, int]]:
    """Path and port of each probe."""
    ports = {each["name"]: each["containerPort"] for each in container(program)["ports"]}
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    asked = {kind: container(program)[kind]["httpGet"] for kind in kinds}
    return {kind: (each["path"], ports[each["port"]]) for kind, each in asked.items()}


def test_the_workers_probes_are_answered_by_its_event_loop() -> None:
    _, port = host_and_port(environment("worker")["HEALTH_ADDRESS"])
    live, ready = ("/livez", port), ("/readyz", port)
    assert probed("worker") == {"startupProbe": live, "livenessProbe": live, "readinessProbe": ready}


def test_the_apis_probes_need_no_key() -> None:
    port = int(environment("api")["API_PORT"])
    live, ready = ("/healthz", port), ("/readyz", port)
    assert probed("api") == {"startupProbe": live, "livenessProbe": live, "readinessProbe": ready}
    assert {"/healthz", "/readyz"} <= OPEN_PATHS


@what_stays
def test_a_probe_waits_for_the_check_and_no_pod_is_restarted_for_a_short_pause(program: str) -> None:
    assert container(program)["readinessProbe"]["timeoutSeconds"] > probes.CHECK_SECONDS
    liveness = container(program)["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


def test_a_stop_waits_for_what_is_being_sent() -> None:
    margin = timedelta(seconds=5)
    grace = {program: timedelta(seconds=pod(program)["terminationGracePeriodSeconds"]) for program in STAY}
    assert grace["worker"] >= worker.GRACEFUL_SHUTDOWN + margin
    _, pause = container("api")["lifecycle"]["preStop"]["exec"]["command"]
    assert grace["api"] >= timedelta(seconds=api.__main__.DRAIN_SECONDS + int(pause)) + margin


@programs
def test_its_pod_is_restricted(program: str) -> None:
    """By the Pod Security Standard of that name, which the namespace enforces; and it can write nothing but /tmp."""
    security, inner = pod(program)["securityContext"], container(program)["securityContext"]
    assert (security["runAsNonRoot"], security["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert f"--uid {security['runAsUser']} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert inner == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(program)["automountServiceAccountToken"] is False
    assert {"name": "tmp", "mountPath": "/tmp"} in container(program)["volumeMounts"]  # noqa: S108 - the container's
    assert of_kind("Namespace")["expiry-notifier"]["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }


@programs
def test_it_asks_for_what_it_uses_and_its_memory_is_limited(program: str) -> None:
    resources = container(program)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


def labels(program: str) -> dict[str, str]:
    return dict(PROGRAMS[program]["spec"]["template"]["metadata"]["labels"])


def selects(selector: Resource, program: str) -> bool:
    """As Kubernetes does for the two forms that the files use."""
    wanted = selector.get("matchLabels", {}).items()
    listed = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in listed)
    return bool(wanted <= labels(program).items()) and all(
        labels(program).get(each["key"]) in each["values"] for each in listed
    )


@what_stays
def test_one_of_them_is_always_there(program: str) -> None:
    budget = of_kind("PodDisruptionBudget")[f"expiry-{program}"]["spec"]
    assert [each for each in PROGRAMS if selects(budget["selector"], each)] == [program]
    assert selects(PROGRAMS[program]["spec"]["selector"], program)
    assert budget["minAvailable"] < PROGRAMS[program]["spec"]["replicas"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_service_leads_to_the_api() -> None:
    service = of_kind("Service")["expiry-api"]["spec"]
    assert [each for each in PROGRAMS if service["selector"].items() <= labels(each).items()] == ["api"]
    assert environment("worker")["HEALTH_API_URL"] == f"http://expiry-api:{service['ports'][0]['port']}"


def allowed(program: str, direction: str) -> set[int]:
    """The ports that the policies open to or from a pod."""
    ports: set[int] = set()
    for policy in of_kind("NetworkPolicy").values():
        if selects(policy["spec"]["podSelector"], program):
            rules: list[Any] = policy["spec"].get(direction, [])
            ports |= {port["port"] for rule in rules for port in rule["ports"]}
    return ports


@programs
def test_the_network_is_closed_but_for_what_it_needs(program: str) -> None:
    everywhere = of_kind("NetworkPolicy")["expiry-default"]["spec"]
    assert selects(everywhere["podSelector"], program)
    assert everywhere["policyTypes"] == ["Ingress", "Egress"]
    dns, postgresql, temporal, smtp, https = {53}, {5432}, {7233}, {25, 465, 587}, {443}
    servers = dns | postgresql | temporal
    assert allowed(program, "egress") == (servers | smtp | https | {8000} if program == "worker" else servers)
    asked = {"api": {8000, 9464}, "worker": {9464}}
    assert allowed(program, "ingress") == asked.get(program, set())


@pytest.mark.parametrize(("program", "setting"), [("worker", "METRICS_ADDRESS"), ("api", "API_METRICS_ADDRESS")])
def test_its_metrics_are_on_the_port_that_it_declares(program: str, setting: str) -> None:
    ports = {each["name"]: each["containerPort"] for each in container(program)["ports"]}
    assert host_and_port(environment(program)[setting]) == ("0.0.0.0", ports["metrics"])  # noqa: S104 - the container's
