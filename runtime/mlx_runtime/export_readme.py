"""The README of an exported model: for whoever runs it elsewhere and knows nothing of us.

Enters: model.json and the graph's own inputs and outputs. Leaves: Markdown, with a program that runs as it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlx_specs.artifact import ModelFile, Tensor

ELEMENTS = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(string)": "string", "tensor(bool)": "bool"}
MEANINGS = {
    "boolean": "true is 1, false is 0",
    "timestamp": "seconds since 1970-01-01 in UTC",
    "date": "seconds since 1970-01-01 to midnight in UTC",
    "integer": "a whole number",
    "float": "a number",
    "string": "text",
}
PROGRAM = '''\
import json

import numpy
import onnxruntime

example = json.load(open("example.json"))
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
elements = {"tensor(float)": numpy.float32, "tensor(double)": numpy.float64, "tensor(int64)": numpy.int64, "tensor(string)": object}


def array(tensor):
    """JSON has no NaN: null stands for it."""
    values = numpy.array(tensor["data"], dtype=object).reshape(tensor["shape"])
    return numpy.where(values == None, numpy.nan, values).astype(elements[tensor["type"]]) if tensor["type"] != "tensor(string)" else values


feeds = {name: array(tensor) for name, tensor in example["inputs"].items()}
for output, values in zip(session.get_outputs(), session.run(None, feeds)):
    print(output.name, values.tolist())
    numpy.testing.assert_allclose(values, array(example["outputs"][output.name])) if values.dtype.kind == "f" else None
'''
"""With double quotes only, so that it can be shown and run as it stands."""


@dataclass(frozen=True)
class Port:
    """One input or output of the graph."""

    name: str
    type: str
    shape: tuple[int | str, ...]


def readme(model: ModelFile, version: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> str:
    """The whole text."""
    parts = [
        f"# {model.model}, version {version}",
        _about(model),
        "## What goes in",
        _inputs(model, inputs),
        _missing(inputs),
        "## What comes out",
        _outputs(model, outputs),
        "## Run it",
        "`example.json` holds an input and what comes out for it. With `onnxruntime` and `numpy`, in this folder:",
        f"```python\n{PROGRAM}```",
        "`sha256sum -c SHA256SUMS` says whether these files are as they were written.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(model: ModelFile) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in sorted(model.metrics.items()))
    lines = [f"It predicts `{model.target}` ({model.task}).", f"On rows that it did not learn from: {figures}." if figures else ""]
    parity = model.parity
    if parity.get("rows"):
        lines.append(f"It was compared with the model that was trained on {parity['rows']:,} rows: the largest difference is {parity['max_difference']:.1g}.")
    return " ".join(line for line in [*lines, f"It was made of `{model.fingerprint}`."] if line)


def _inputs(model: ModelFile, ports: Sequence[Port]) -> str:
    known = {tensor.name: tensor for tensor in model.inputs}
    head = "One tensor for each column; the rows of all of them belong together. All of these are needed:"
    rows = [f"| `{port.name}` | {_element(port)} | {_shape(port)} | {_meaning(known[port.name])} | {_nullable(known[port.name])} |" for port in ports]
    return "\n".join([head, "", "| input | element | shape | holds | may be missing |", "|---|---|---|---|---|", *rows])


def _meaning(tensor: Tensor) -> str:
    if tensor.categories is None:
        return MEANINGS.get(tensor.type, tensor.type) + (", also one that it never saw" if tensor.type == "string" else "")
    return "one of " + ", ".join(f"`{value}`" for value in tensor.categories)


def _nullable(tensor: Tensor) -> str:
    return "yes" if tensor.nullable else "no"


def _missing(ports: Sequence[Port]) -> str:
    texts = any(port.type == "tensor(string)" for port in ports)
    number = "A number that is missing is NaN."
    return number + (' A text that is missing is the text `"\\ue000null"` (the character U+E000, then `null`), as in `example.json`.' if texts else "")


def _outputs(model: ModelFile, ports: Sequence[Port]) -> str:
    rows = [f"| `{port.name}` | {_element(port)} | {_shape(port)} | {_result(model, place)} |" for place, port in enumerate(ports)]
    return "\n".join(["| output | element | shape | holds |", "|---|---|---|---|", *rows])


def _result(model: ModelFile, place: int) -> str:
    if model.task != "classification":
        return f"the predicted `{model.target}`"
    if place == 0:
        return f"the class: {', '.join(_coded(value) for value in model.classes)}"
    return f"the probability of each class, in the order {', '.join(f'`{_spelled(value)}`' for value in model.classes)}"


def _coded(value: Any) -> str:
    if isinstance(value, str):
        return f"`{value}`"
    spelled = _spelled(value)
    return f"`{int(value)}`" if spelled == str(int(value)) else f"`{int(value)}` is {spelled}"


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _element(port: Port) -> str:
    return ELEMENTS.get(port.type, port.type)


def _shape(port: Port) -> str:
    return f"[{', '.join(str(size) for size in port.shape)}]"
