"""What a process exports, as Prometheus reads it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field

import httpx

from local.programs import Program

FREE_PORT = "127.0.0.1:0"
_SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_PART = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Scraped:
    text: str
    kinds: dict[str, str]
    """The families, each with its type."""
    samples: list[Sample] = field(default_factory=list)

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series with these labels. Raises KeyError if there is none."""
        values = [each.value for each in self.samples if each.name == name and labels.items() <= each.labels.items()]
        if not values:
            raise KeyError(f"{name}{labels}")
        return sum(values)

    def labels_of(self) -> dict[str, set[str]]:
        """The names of the labels of each family."""
        found: dict[str, set[str]] = defaultdict(set)
        for each in self.samples:
            family = each.name if each.name in self.kinds else _PART.sub("", each.name)
            found[family] |= each.labels.keys() - {"le"}
        return dict(found)


def parse(text: str) -> Scraped:
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    samples = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            sample = _SAMPLE.fullmatch(line)
            assert sample, line
            labels = dict(_LABEL.findall(sample["labels"] or ""))
            samples.append(Sample(sample["name"], labels, float(sample["value"])))
    return Scraped(text, kinds, samples)


async def scrape(process: Program) -> Scraped:
    """What the process exports where its log says."""
    event = json.loads(await process.wait_for_line('"metrics_ready"'))
    async with httpx.AsyncClient() as http:
        response = await http.get(f"http://{event['host']}:{event['port']}/metrics")
    assert response.status_code == 200
    return parse(response.text)
