"""Asks an endpoint for the rows of a file, as any client would: over HTTP, in the open inference protocol V2.

The server's own metadata says which columns it takes and of which types; the file may be JSON, CSV or Parquet.
"""

import http.client
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow

from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.read_rows import Rows, read_rows

TIMEOUT = 300.0
ARROW = {"BOOL": pyarrow.bool_(), "INT64": pyarrow.int64(), "FP32": pyarrow.float32(), "FP64": pyarrow.float64(), "BYTES": pyarrow.string()}
REASONS = {"no_row": "rows have no row in the online store", "too_old": "only one that is too old"}
"""What an answer counts for each view that it looked up."""


class PredictError(RuntimeFailure):
    """The endpoint does not answer, or it refused the rows."""


def predict(url: str, name: str, file: Path, report: Callable[[str], None] = lambda line: None) -> pyarrow.Table:
    """Predictions for the rows of a file, in their order, with the ``model_version`` that answered; where features were
    looked up in vain, ``report`` is told for how many rows.

    Raises ``RowsError`` when the file cannot be read as rows of this model, ``PredictError`` when the endpoint refuses them.
    """
    metadata = _get(url, f"/v2/models/{name}")
    inputs = _inputs(metadata)
    rows = read_rows(file, inputs)
    count = max(map(len, rows.values()))
    most = metadata["parameters"]["max_rows"]
    missing = Counter[str]()
    parts = [_ask(url, name, inputs, {column: values[start : start + most] for column, values in rows.items()}, missing) for start in range(0, count, most)]
    for line in _in_vain(missing, count):
        report(line)
    return pyarrow.concat_tables(parts)


def _in_vain(missing: Mapping[str, int], rows: int) -> list[str]:
    """A line for each view that lacked rows; the names are those of the answer's parameters."""
    said = dict[str, list[str]]()
    for name, count in missing.items():
        _, view, reason = name.split(".")
        if count and reason in REASONS:
            said.setdefault(view, []).append(f"{count:,} of {rows:,} {REASONS[reason]}")
    return [f"{view}: {', '.join(reasons)}; defaults or null were used" for view, reasons in said.items()]


def _inputs(metadata: Any) -> dict[str, Any]:
    """What rows must have, then what they may have, marked as ``read_rows`` reads it."""
    keys, optional = metadata["parameters"].get("keys", {}), metadata["parameters"].get("optional_inputs", [])
    required = {tensor["name"]: tensor | {"key_of": keys.get(tensor["name"], [])} for tensor in metadata["inputs"]}
    known = required | {tensor["name"]: tensor | {"optional": True} for tensor in optional}
    return known | {name: known[name] | {"model_input": True} for name in metadata["parameters"].get("model_inputs", [])}


def _ask(url: str, name: str, inputs: Mapping[str, Any], rows: Rows, missing: Counter[str]) -> pyarrow.Table:
    tensors = [_tensor(column, inputs.get(column, {}), values) for column, values in rows.items()]
    answer = _request(url, "POST", f"/v2/models/{name}/infer", json.dumps({"inputs": tensors}).encode())
    missing.update({key: count for key, count in answer.get("parameters", {}).items() if key.rpartition(".")[2] in REASONS})
    columns = {tensor["name"]: pyarrow.array(tensor["data"], ARROW[tensor["datatype"]]) for tensor in answer["outputs"]}
    count = len(next(iter(columns.values())))
    return pyarrow.table({**columns, "model_version": pyarrow.repeat(answer["model_version"], count)})


def _tensor(column: str, tensor: Mapping[str, Any], values: list[Any]) -> dict[str, Any]:
    return {"name": column, "shape": [len(values)], "datatype": tensor.get("datatype", "BYTES"), "data": values}


def _get(url: str, path: str) -> Any:
    return _request(url, "GET", path, None)


def _request(url: str, method: str, path: str, body: bytes | None) -> Any:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PredictError(f"{url} does not answer: {error}", hint="mlx status says whether the endpoint runs") from error
    finally:
        connection.close()
    if response.status != 200:
        hint = "mend these rows" if response.status < 500 else "mlx status says how the endpoint is, mlx logs what it did"
        raise PredictError(f"the endpoint answered {response.status}: {answer.get('error', answer)}", hint=hint)
    return answer
