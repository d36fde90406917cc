"""What Prometheus says of the files in deploy/monitoring, and of what a real run exports."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from local.embedded.process import ChildProcess
from local.programs import Program
from local.stand_ins.smtp_actions import Reply
from tests.support.api_process import running
from tests.support.metrics import FREE_PORT, scrape
from tests.support.monitoring import MONITORING, RULES, dashboard_queries, metrics_in
from tests.support.scanning import all_finished
from tests.support.scene import PATIENCE, Scene
from tests.support.settings_for import API_KEY
from tests.support.worker_process import environment, worker_process

GONE = "gone@customer.example"


async def promtool(*arguments: str | Path, given: str = "") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "promtool",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(given.encode())
    return await process.wait(), output.decode()


async def test_the_rules_and_the_example_are_what_prometheus_reads() -> None:
    for arguments in (("check", "rules", MONITORING / "rules.yml"), ("check", "config", MONITORING / "prometheus.yml")):
        status, said = await promtool(*arguments)
        assert status == 0, said


async def test_each_alert_fires_when_it_must() -> None:
    status, said = await promtool("test", "rules", MONITORING / "rules.test.yml")
    assert status == 0, said


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
async def test_an_alert_that_never_fires_is_noticed(alert: str, tmp_path: Path) -> None:
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))
    for rule in rules["groups"][0]["rules"]:
        if rule["alert"] == alert:
            rule["expr"] = f"({rule['expr']}) and vector(1) == 2"
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    shutil.copy(MONITORING / "rules.test.yml", tmp_path)
    status, said = await promtool("test", "rules", tmp_path / "rules.test.yml")
    assert status == 1
    assert alert in said


class Prometheus:
    """A real one that scrapes these processes every second."""

    def __init__(self, folder: Path, port: int, targets: dict[str, str]) -> None:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "rules.yml")],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}"
        self._process = ChildProcess(
            [
                str(shutil.which("prometheus")),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            log_file=folder / "log",
            death_signal=signal.SIGKILL,
            environment={"HOME": str(folder)},
        )
        self._http = httpx.AsyncClient(base_url=self.url)

    async def get(self, path: str, **parameters: str) -> Any:
        """What its API answers. Raises AssertionError if it is an error or a warning."""
        answer = (await self._http.get(f"/api/v1/{path}", params=parameters)).json()
        assert answer["status"] == "success", answer
        assert not answer.get("warnings"), answer
        return answer["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("query", query=expression))["result"]
        return found

    async def ready(self) -> None:
        async def answers() -> bool:
            try:
                return (await self._http.get("/-/ready")).is_success
            except httpx.TransportError:
                return False

        assert await self._process.becomes(answers, PATIENCE), self._process.why_not_ready()

    async def until(self, expression: str) -> None:
        """Waits until the expression has a value."""
        async with asyncio.timeout(PATIENCE):
            while not await self.query(expression):
                await asyncio.sleep(0.1)  # it scrapes once a second

    async def stop(self) -> None:
        await self._http.aclose()
        await self._process.end((signal.SIGTERM, 20))


async def target_of(process: Program) -> str:
    event = json.loads(await process.wait_for_line('"metrics_ready"'))
    return f"{event['host']}:{event['port']}"


@asynccontextmanager
async def scraped_run(scene: Scene, folder: Path, port: int) -> AsyncIterator[tuple[Prometheus, Program, Program]]:
    """A worker and an API at work, and a Prometheus that has scraped both before and after."""
    for number in range(4):
        await scene.due_project(contact_email=f"owner{number}@customer.example", telegram_chat_id=1000 + number)
    await scene.due_project(contact_email=GONE, telegram_chat_id=2000)
    scene.sink.always("rcpt", Reply(550, "5.1.1 no such user"), recipient=GONE)
    variables = environment(scene.client, scene.settings) | {"API_PORT": "0", "API_METRICS_ADDRESS": FREE_PORT}
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(
            worker_process(scene, METRICS_ADDRESS=FREE_PORT, METRICS_STATE_INTERVAL="0.5")
        )
        api = await stack.enter_async_context(running(**variables))
        targets = {"expiry-worker": await target_of(worker), "expiry-api": await target_of(api.process)}
        prometheus = Prometheus(folder, port, targets)
        stack.push_async_callback(prometheus.stop)
        await prometheus.ready()
        await prometheus.until("count(up == 1) == 2")
        await scene.scan()
        await scene.deactivate()
        async with httpx.AsyncClient(base_url=api.url, headers={"X-API-Key": API_KEY}, timeout=30) as http:
            for path in ("/notifications", "/notifications", "/healthz", "/readyz"):
                assert (await http.get(path)).status_code == 200
        await all_finished(scene.client, [each.workflow_id for each in await scene.platform.notifications()])
        await prometheus.until('sum(expiry_deliveries_ended_total{outcome="accepted"}) == 9')
        await prometheus.until("sum(expiry_api_request_duration_seconds_count) == 4")
        await prometheus.until("temporal_workflow_completed_total")
        await prometheus.until("sum(expiry_state_reader) == 1")
        yield prometheus, worker, api.process


async def test_a_real_run_answers_every_query_of_the_dashboard_and_the_rules(
    scene: Scene, tmp_path: Path, reserved_port: Callable[[], int]
) -> None:
    async with scraped_run(scene, tmp_path, reserved_port()) as (prometheus, worker, api):
        for process in (worker, api):
            status, said = await promtool("check", "metrics", given=(await scrape(process)).text)
            complaints = [line for line in said.splitlines() if line.startswith("expiry_")]
            assert complaints == [], said
            assert status in {0, 3}, said  # 3: a complaint about a metric of the SDK

        there = set(await prometheus.get("label/__name__/values"))
        for title, query in dashboard_queries():
            assert metrics_in(query) <= there, title
            await prometheus.until(query)
        for rule in RULES:
            assert metrics_in(rule["expr"]) <= there, rule["alert"]
            await prometheus.query(rule["expr"])

        loaded = (await prometheus.get("rules"))["groups"][0]["rules"]
        assert {rule["name"]: rule.get("lastError", "") for rule in loaded} == {rule["alert"]: "" for rule in RULES}
        assert await prometheus.query('ALERTS{alertstate="firing"}') == []
