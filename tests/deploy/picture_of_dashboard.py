"""Draws the dashboard's panels with a real run's data, since Grafana is at hand on no machine of ours.

By hand: `python -m pytest tests/deploy/picture_of_dashboard.py` writes docs/images/dashboard.png.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import async_playwright

from tests.deploy.test_monitoring import Prometheus, scraped_run
from tests.support.monitoring import DASHBOARD
from tests.support.product import ROOT
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.scene import Scene
from tests.support.settings_for import API_KEY

IMAGE = ROOT / "docs" / "images" / "dashboard.png"
COLUMN, ROW, GAP = 50, 26, 6
"""Pixels of the dashboard's grid."""
COLOURS = ("#3274d9", "#e0752d", "#299c46", "#a352cc", "#c4162a", "#d9a700", "#37a6a6", "#7c6a5a")
STEP = 2
SECONDS = 90


def number(value: float, unit: str) -> str:
    shown = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{shown} s" if unit == "s" else shown


def legend(template: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    return template.replace(": {{", " {{").split("{{", 1)[0] or "all"


def graph(series: list[tuple[str, list[tuple[float, float]]]], width: int, height: int, unit: str) -> str:
    points = [point for _, values in series for point in values]
    if not points:
        return "<p>nothing</p>"
    begin, end = min(x for x, _ in points), max(x for x, _ in points)
    top = max(y for _, y in points) or 1
    lines = []
    for place, (_, values) in enumerate(series):
        path = " ".join(
            f"{40 + (x - begin) / max(end - begin, 1) * (width - 50):.1f},{height - 6 - y / top * (height - 16):.1f}"
            for x, y in values
        )
        colour = COLOURS[place % len(COLOURS)]
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{path}"/>')
    names = " ".join(
        f'<span><b style="background:{COLOURS[place % len(COLOURS)]}"></b>{escape(name)}</span>'
        for place, (name, _) in enumerate(series)
    )
    return (
        f'<svg width="{width}" height="{height}"><text x="0" y="12">{number(top, unit)}</text>'
        f'<text x="0" y="{height - 4}">0</text>{"".join(lines)}</svg><div class="names">{names}</div>'
    )


async def drawn(panel: dict[str, Any], prometheus: Prometheus) -> str:
    place = panel["gridPos"]
    width, height = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
    style = f"left:{place['x'] * COLUMN}px;top:{place['y'] * ROW}px;width:{width}px;height:{height}px"
    if panel["type"] == "row":
        return f'<h2 style="{style}">{escape(panel["title"])}</h2>'
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "stat":
        [sample] = await prometheus.query(panel["targets"][0]["expr"])
        value = float(sample["value"][1])
        red = value >= panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
        inside = f'<p class="{"red" if red else "green"}">{number(value, unit)}</p>'
    else:
        series: list[tuple[str, list[tuple[float, float]]]] = []
        now = time.time()
        for target in panel["targets"]:
            found = await prometheus.get(
                "query_range",
                query=target["expr"].replace("$__rate_interval", "15s"),
                start=str(now - SECONDS),
                end=str(now),
                step=str(STEP),
            )
            for each in found["result"]:
                values = [(float(at), float(value)) for at, value in each["values"] if value != "NaN"]
                if values:
                    series.append((legend(target["legendFormat"], each["metric"]), values))
        series.sort(key=lambda each: -max(y for _, y in each[1]))
        inside = graph(series[:8], width - 20, height - 66, unit)
    return f'<section style="{style}"><h3>{escape(panel["title"])}</h3>{inside}</section>'


async def test_draw(scene: Scene, tmp_path: Path, reserved_port: Callable[[], int]) -> None:
    async with scraped_run(scene, tmp_path, reserved_port()) as (prometheus, _, api):
        scene.sink.clear()
        listens = json.loads(await api.wait_for_line('"api_ready"'))
        http = httpx.AsyncClient(base_url=f"http://{listens['host']}:{listens['port']}", headers={"X-API-Key": API_KEY})
        began = time.monotonic()
        number_of_it = 0
        while time.monotonic() - began < SECONDS - 20:
            for _ in range(6):
                number_of_it += 1
                await scene.due_project(
                    contact_email=f"more{number_of_it}@customer.example",
                    telegram_chat_id=5000 + number_of_it,
                    **(quiet_for(QUIET_NOW) if number_of_it % 6 == 0 else {}),
                )
            await scene.scan()
            for path in (
                "/notifications",
                "/notifications?status=delivered",
                f"/notifications/{number_of_it}",
                "/readyz",
            ):
                await http.get(path)
            await asyncio.sleep(4)
        await http.aclose()
        panels = [await drawn(panel, prometheus) for panel in DASHBOARD["panels"]]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in DASHBOARD["panels"])
    page = f"""<!doctype html><meta charset="utf-8"><style>
        body {{ font: 12px sans-serif; background: #f4f5f5; margin: 12px; position: relative; color: #222 }}
        section, h2 {{ position: absolute; box-sizing: border-box; margin: 0 }}
        section {{ background: #fff; border: 1px solid #ddd; padding: 6px 10px; overflow: hidden }}
        h2 {{ font-size: 14px; padding-top: 4px }} h3 {{ font-size: 12px; margin: 0 0 4px }}
        svg {{ display: block }} text {{ font-size: 10px; fill: #777 }}
        .names {{ font-size: 10px; line-height: 1.25 }} .names span {{ margin-right: 8px; white-space: nowrap }}
        .names b {{ display: inline-block; width: 8px; height: 8px; margin-right: 3px }}
        p {{ font-size: 26px; margin: 8px 0; text-align: center }} .green {{ color: #299c46 }} .red {{ color: #c4162a }}
        </style><body>{"".join(panels)}</body>"""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        shown = await browser.new_page(viewport={"width": 24 * COLUMN + 24, "height": bottom * ROW + 24})
        await shown.set_content(page)
        await shown.screenshot(path=IMAGE)
        await browser.close()
