"""A feature store as an apply would record it, made for real: registered, materialised and joined by our resources, one of each."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from trials import Trial, made, recorded

from mlx_features.feast_protos import registry_message
from mlx_features.repository import folder
from mlx_provider.feature_registry import FeatureRegistry
from mlx_provider.joined_dataset import JoinedDataset
from mlx_provider.online_features import OnlineFeatures
from mlx_stacks.program import program
from mlx_stacks.workspace import open_host

HOME = ".mlx/local"
DAYS = """\
k,n,at,written,rewritten,x,z,y
a,1,2024-01-01T00:00:00,2024-01-02T00:00:00,2024-01-03T00:00:00,1.0,10.0,100.0
a,1,2024-01-01T00:00:00,2024-01-03T00:00:00,2024-01-02T00:00:00,2.0,20.0,200.0
b,2,2024-01-05T00:00:00,2024-01-06T00:00:00,2024-01-06T00:00:00,3.0,30.0,300.0
"""
OTHER_DAYS = DAYS.replace(",1.0,", ",11.0,").replace(",2.0,", ",12.0,").replace(",3.0,", ",13.0,")
FEWER_DAYS = DAYS[: DAYS.index("b,2")]
ROWS = """\
id,k,n,at,target,w,v
1,a,1,2024-01-04T00:00:00,1.0,1.0,5.0
2,a,1,2024-03-01T00:00:00,1.0,1.0,5.0
3,b,2,2024-01-06T00:00:00,1.0,,7.0
4,c,3,2024-01-06T00:00:00,1.0,1.0,5.0
"""
FUNCTIONS = '''
"""Functions that take whatever their view gives them."""


def add(**inputs):
    return None if None in inputs.values() else sum(inputs.values())


def multiply(x, w):
    return None if None in (x, w) else x * w
'''
MODEL = {"task": "regression", "pipeline": "quick", "data": "rows", "target": "target", "featureService": "all", "algorithm": "sklearn.linear_model.Ridge"}


def around() -> list[dict[str, Any]]:
    """The datasets, and a pipeline for the model."""
    days = [made("Dataset", name, {"source": {"type": "csv", "path": f"{name}.csv"}, "eventTime": "at"}) for name in ("days", "other-days", "fewer-days")]
    rows = made("Dataset", "rows", {"source": {"type": "csv", "path": "rows.csv"}, "eventTime": "at", "keys": ["id"]})
    return [*days, rows, made("Pipeline", "quick", {"entry": "own_steps:quick"})]


def write_feature_trial(trial: Trial) -> None:
    """Data and functions; the datasets are prepared, so that a preview knows all inputs."""
    trial.file("days.csv", DAYS).file("other-days.csv", OTHER_DAYS).file("fewer-days.csv", FEWER_DAYS).file("rows.csv", ROWS)
    trial.file("feature_repo/own_features.py", FUNCTIONS)
    trial.write(around()).apply()


@dataclass(frozen=True)
class Store:
    """One FeatureStore with a model that uses its service, as a preview records them; what is asked for is made."""

    trial: Trial
    inputs: Mapping[str, Mapping[str, Any]]
    """By ``TYPE NAME``."""

    def registered(self, kind: str) -> dict[str, Any]:
        """The objects of one kind in Feast's registry, by name."""
        from google.protobuf.json_format import MessageToDict

        self._register()
        registry = registry_message()()
        registry.ParseFromString((folder(self.trial.root, HOME, "trial") / "registry.db").read_bytes())
        found = [one["spec"] for one in MessageToDict(registry).get(kind, [])]
        return {one["name"]: one for one in found if one["name"] != "__dummy"}

    def materialised(self) -> Mapping[str, Any]:
        """The outputs of materialising into an empty online store."""
        self._register()
        asked = self.inputs["OnlineFeatures trial"]
        OnlineFeatures().delete("trial", asked, asked, self.trial.root)
        return OnlineFeatures().create(asked, self.trial.root, silent).outputs

    def keys_after_rows_went_away(self) -> int:
        """Keys online after an update for a source that has one of its two keys no more."""
        before = self.materialised()
        fewer = self.trial.status()["Dataset/fewer-days"]
        sources = {"days": {**self.inputs["OnlineFeatures trial"]["sources"]["days"], "digest": fewer["digest"], "path": fewer["path"]}}
        self._register(sources)
        asked = {**self.inputs["OnlineFeatures trial"], "sources": sources}
        outputs = OnlineFeatures().update("trial", self.inputs["OnlineFeatures trial"], before, asked, self.trial.root, silent)
        return self._keys(outputs["path"])["values"]

    def joined(self) -> pyarrow.Table:
        """The model's rows with features."""
        self._register()
        return parquet.read_table(self.trial.root / JoinedDataset().create(self.inputs["JoinedDataset trial"], self.trial.root, silent).outputs["path"])

    def _register(self, sources: Mapping[str, Any] | None = None) -> None:
        asked = self.inputs["FeatureRegistry trial"]
        FeatureRegistry().create({**asked, "sources": sources} if sources else asked, self.trial.root, silent)

    def _keys(self, path: str) -> dict[str, int]:
        connection = sqlite3.connect(self.trial.root / path)
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table' and name like 'trial%'")]
        found = {name.removeprefix("trial_"): connection.execute(f'select count(distinct entity_key) from "{name}"').fetchone()[0] for name in tables}
        connection.close()
        return found


def declared(trial: Trial, store: Mapping[str, Any], model: Mapping[str, Any] = MODEL) -> Store:
    """The store and a model of its service as a preview would record them; raises where validate finds something."""
    trial.write([*around(), store, made("Model", "trial", model)])
    workspace = trial.open()
    result = open_host(workspace).preview(program(workspace.graph, workspace.environment, {}), lambda event: None)
    return Store(trial, recorded(result))


def silent(line: str) -> None:
    """Nobody listens."""
