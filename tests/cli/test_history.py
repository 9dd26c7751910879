"""What an apply says that it did, and what the history says of it afterwards, are the same."""

import json
import re
from pathlib import Path

from mlx_cli.output import duration


def test_an_apply_and_its_history_count_the_same_and_take_as_long(mlx, tiny: Path) -> None:
    specs = tiny / "specs/tiny.yaml"
    specs.write_text(next(part for part in specs.read_text().split("\n---\n") if "kind: Dataset" in part))
    applied = mlx("apply", "--yes", "-C", tiny, "-o", "json")
    (tiny / "data/tumours.csv").write_text("another,table\n1,2\n")
    assert (applied.code, mlx("apply", "--yes", "-C", tiny).code) == (0, 1)
    failed, first = json.loads(mlx("history", "-C", tiny, "-o", "json").out)["updates"]
    assert json.loads(first["environment"]["exec.resources"]) == {"create": json.loads(applied.out)["created"]}
    assert (first["result"], failed["result"]) == ("succeeded", "failed")
    took = [re.split(r"\s{2,}", row)[4] for row in mlx("history", "-C", tiny).out.splitlines()[1:]]
    assert took == [duration(float(each["environment"]["exec.seconds"])) for each in (failed, first)]
    assert float(failed["environment"]["exec.seconds"]) > 0
