"""The version of a worker in a Worker Deployment, as the settings say."""

from __future__ import annotations

from temporalio.common import VersioningBehavior

from runtime.version import commit, version
from settings import Settings
from temporal.deployment import deployment_config, deployment_version


def test_without_the_setting_a_worker_has_no_version() -> None:
    assert deployment_version(Settings()) is None
    assert deployment_config(Settings()) is None


def test_a_build_has_the_id_that_is_set() -> None:
    config = deployment_config(Settings(worker_deployment="expiry", worker_build_id="a.1"))
    assert config is not None
    assert (config.version.deployment_name, config.version.build_id) == ("expiry", "a.1")
    assert config.use_worker_versioning
    assert config.default_versioning_behavior is VersioningBehavior.AUTO_UPGRADE


def test_else_its_id_is_the_version_and_the_commit() -> None:
    found = deployment_version(Settings(worker_deployment="expiry"))
    assert found is not None
    assert found.build_id == (f"{version()}-{commit()}" if commit() else version())
