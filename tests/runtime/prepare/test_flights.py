"""The reference datasets, whole: real data finds what made data does not."""

from pathlib import Path
from typing import Any

import yaml

SPECS = Path(__file__).parents[3] / "specs" / "flights.yaml"


def test_the_flights_are_prepared_whole_and_alike_with_any_number_of_threads(workspace: Any) -> None:
    specs = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(SPECS.read_text())}
    made = {name: workspace.prepare(spec, name) for name, spec in specs.items()}
    assert {name: (one.rows, one.rejected) for name, one in made.items()} == {
        "flights": (336_776, 0),
        "weather": (26_115, 0),
        "flight-delays": (327_346, 9_430),
        "december-flights": (27_020, 0),
    }
    assert workspace.manifest(made["flight-delays"])["rejectedBy"] == [{"step": 2, "reason": "cancelled or diverted", "rows": 9_430}]
    again = {name: workspace.prepare(specs[name], name, threads=threads).content_digest for name, threads in (("flights", 1), ("flight-delays", 5))}
    assert again == {name: made[name].content_digest for name in again}
