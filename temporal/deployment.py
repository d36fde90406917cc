"""The worker's version in a Worker Deployment of Temporal, if the settings name one."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import WorkerDeploymentConfig

from runtime.version import commit, version
from settings import Settings
from temporal.reasons import is_missing


def deployment_version(settings: Settings) -> WorkerDeploymentVersion | None:
    """Returns the deployment's name and this build's id, or None without WORKER_DEPLOYMENT. May read files and run git,
    so call it at the start or in a thread."""
    if settings.worker_deployment is None:
        return None
    return WorkerDeploymentVersion(settings.worker_deployment, settings.worker_build_id or _build_id())


def deployment_config(settings: Settings) -> WorkerDeploymentConfig | None:
    """Returns how a worker takes part in the deployment. What runs goes on with the version that is current."""
    of_this = deployment_version(settings)
    if of_this is None:
        return None
    return WorkerDeploymentConfig(
        version=of_this,
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


def _build_id() -> str:
    of = commit()
    return f"{version()}-{of}" if of else version()


@dataclass(frozen=True)
class Routing:
    """Which builds of a deployment get tasks, by their ids. `current` is None if workers without a version do."""

    current: str | None
    ramping: str | None
    ramping_percentage: float


async def find_routing(client: Client, deployment: str) -> Routing | None:
    """Returns the routing, or None if no worker of the deployment has ever polled. Raises `RPCError`."""
    try:
        answer = await client.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
        )
    except RPCError as error:
        if is_missing(error):
            return None
        raise
    routing = answer.worker_deployment_info.routing_config
    return Routing(
        routing.current_deployment_version.build_id or None,
        routing.ramping_deployment_version.build_id or None,
        routing.ramping_version_percentage,
    )


async def find_current(client: Client, queue: str) -> WorkerDeploymentVersion | None:
    """Returns the version that gets the workflow tasks of a task queue, or None if workers without a version do. Raises
    `RPCError`."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    current = answer.versioning_info.current_deployment_version
    return WorkerDeploymentVersion(current.deployment_name, current.build_id) if current.build_id else None
