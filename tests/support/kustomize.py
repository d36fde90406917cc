"""What `kubectl kustomize` makes of deploy/kubernetes/, for the few features that these files use."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.product import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
BASE, EXAMPLE = FOLDER / "base", FOLDER / "overlays" / "example"
KUSTOMIZATION = "kustomization.yaml"
UNDERSTOOD = {"apiVersion", "kind", "resources", "namespace", "patches", "images"}

Resource = dict[str, Any]


def documents(file: Path) -> list[Resource]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def kustomization(folder: Path) -> Resource:
    [found] = documents(folder / KUSTOMIZATION)
    assert set(found) <= UNDERSTOOD
    return dict(found)


def built(folder: Path) -> list[Resource]:
    """All resources of the folder and of those that it names, patched."""
    wanted = kustomization(folder)
    resources = [each for name in wanted["resources"] for each in _resources(folder / name)]
    for patch in wanted.get("patches", []):
        for change in documents(folder / patch["path"]):
            [target] = [each for each in resources if _named(each) == _named(change)]
            merge(target, change)
    for image in wanted.get("images", []):
        for container in containers(resources):
            name, _, _ = container["image"].partition(":")
            if name == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    for resource in resources:
        if "namespace" in wanted and resource["kind"] != "Namespace":
            resource["metadata"]["namespace"] = wanted["namespace"]
    return resources


def pod_of(resource: Resource) -> Resource:
    """The pod's specification of a Deployment or a Job."""
    return dict(resource["spec"]["template"]["spec"])


def containers(resources: list[Resource]) -> Iterator[Resource]:
    for resource in resources:
        if resource["kind"] in ("Deployment", "Job"):
            yield from pod_of(resource)["containers"]


def programs(resources: list[Resource]) -> dict[str, Resource]:
    """What runs our programs, by their names."""
    runs = (each for each in resources if each["kind"] in ("Deployment", "Job"))
    return {each["metadata"]["name"].removeprefix("expiry-"): each for each in runs}


def container_of(resource: Resource) -> Resource:
    [only] = pod_of(resource)["containers"]
    return dict(only)


def environment_of(resource: Resource, shared: Mapping[str, str]) -> dict[str, str]:
    """What the program finds in its environment; `shared` is the ConfigMap's data."""
    return {**shared, **{each["name"]: each["value"] for each in container_of(resource).get("env", [])}}


def mounted_secrets(resource: Resource) -> dict[str, str]:
    """The key of the Secret behind each file."""
    secrets = [volume["secret"] for volume in pod_of(resource)["volumes"] if "secret" in volume]
    return {each["path"]: each["key"] for secret in secrets for each in secret["items"]}


def _resources(path: Path) -> list[Resource]:
    return built(path.resolve()) if path.is_dir() else documents(path)


def _named(resource: Resource) -> tuple[str, str]:
    return resource["kind"], resource["metadata"]["name"]


def merge(target: Resource, change: Resource) -> None:
    """A strategic merge: objects by key, lists of named objects by name. The items of a volume are replaced."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        elif key != "items" and isinstance(value, list) and isinstance(target.get(key), list):
            for entry in value:
                same = [each for each in target[key] if each["name"] == entry["name"]]
                if same:
                    merge(same[0], entry)
                else:
                    target[key].append(copy.deepcopy(entry))
        else:
            target[key] = copy.deepcopy(value)
