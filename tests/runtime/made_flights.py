"""Made flights, estimators for them, and requests: what the runtime's tests are made of."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.resources import Version

NUMBERS, TEXTS = ["distance", "hour", "refundable", "booked"], ["carrier"]
FEATURES = [*NUMBERS, *TEXTS]


def flights(rows: int = 600, seed: int = 0) -> pyarrow.Table:
    """Numbers with gaps, integers, booleans, moments, strings with gaps."""
    random = np.random.default_rng(seed)
    carriers = random.choice(["UA", "AA", "B6", None], rows, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    moments = (np.datetime64("2013-01-01T00:00:00", "us") + random.integers(0, 365 * 24, rows).astype("timedelta64[h]")).astype("datetime64[us]")
    return pyarrow.table(
        {
            "distance": pyarrow.array(np.where(random.random(rows) < 0.1, np.nan, random.gamma(2.0, 500.0, rows)), from_pandas=True),
            "hour": pyarrow.array(random.integers(5, 24, rows)),
            "refundable": pyarrow.array(random.random(rows) < 0.3),
            "booked": pyarrow.array(moments, pyarrow.timestamp("us", tz="UTC")),
            "carrier": pyarrow.array(carriers, pyarrow.string()),
        }
    )


def late(table: pyarrow.Table, seed: int = 1) -> np.ndarray:
    """A label that depends on numbers and strings."""
    noise = np.random.default_rng(seed).normal(size=table.num_rows)
    score = table["hour"].to_numpy() / 8 - 2 + np.array([0.0 if carrier == "UA" else 0.7 for carrier in table["carrier"].to_pylist()]) + noise
    return score > 0.5


def ordinal() -> ColumnTransformer:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("numbers", "passthrough", NUMBERS), ("texts", encoder, TEXTS)])


def one_hot(numbers: Any) -> ColumnTransformer:
    return ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS)])


def boosting(**parameters: Any) -> Any:
    return make_pipeline(ordinal(), HistGradientBoostingClassifier(max_iter=15, random_state=0, **parameters))


def forest() -> Any:
    return make_pipeline(one_hot(make_pipeline(SimpleImputer(), StandardScaler())), RandomForestClassifier(12, random_state=0))


def logistic() -> Any:
    return make_pipeline(one_hot(make_pipeline(SimpleImputer(), StandardScaler())), LogisticRegression())


def boosted_regression() -> Any:
    return make_pipeline(ordinal(), HistGradientBoostingRegressor(max_iter=15, random_state=0))


@dataclass(frozen=True)
class Packaged:
    """A packaged model and what it was made of."""

    estimator: Any
    data: pyarrow.Table
    labels: np.ndarray
    folder: Path
    digest: str

    def version(self, number: str, workspace: Path) -> Version:
        return Version(fingerprint=self.folder.name, version=number, artifact=str(self.folder.relative_to(workspace)), artifact_digest=self.digest)


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, content, headers or {})
        response = connection.getresponse()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def v2_body(rows: dict[str, list[Any]], **extra: Any) -> dict[str, Any]:
    """A V2 request for flights."""
    datatypes = {"distance": "FP64", "hour": "INT64", "refundable": "BOOL", "booked": "BYTES", "carrier": "BYTES"}
    tensors = [{"name": name, "shape": [len(values)], "datatype": datatypes[name], "data": values} for name, values in rows.items()]
    return {"inputs": tensors, **extra}


def as_rows(table: pyarrow.Table) -> dict[str, list[Any]]:
    """Columns as JSON values."""
    return {name: [value.isoformat() if hasattr(value, "isoformat") else value for value in table[name].to_pylist()] for name in table.column_names}


def server_inputs(name: str, version: Version | None = None, **settings: Any) -> ModelServerInputs:
    return ModelServerInputs(name=name, home=".mlx/local", model="delay", alias="champion", version=version or Version(), **settings)


def strict(pack: Callable[..., Packaged]) -> Packaged:
    """A model that takes no null, and no carrier that it has not learned from."""
    data = flights().select(["hour", "carrier"])
    data = data.filter(data["carrier"].is_valid())
    choice = ColumnTransformer([("numbers", "passthrough", ["hour"]), ("texts", OneHotEncoder(), ["carrier"])])
    return pack("strict", make_pipeline(choice, LogisticRegression()), data, data["hour"].to_numpy() > 12)
