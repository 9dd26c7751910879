"""Compiles a KFP pipeline function to its intermediate representation (IR), addressed by a digest of what it says.

Enters: an entry and the pipeline's own arguments. Leaves: FOLDER/IR_DIGEST.yaml, or a PipelineError that names what this
target would run wrongly (see ``refusals``) or which parameter has no value. Nothing is run.
"""

import ast
import difflib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlx_pipelines import code, contract
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.failure import last_exception
from mlx_pipelines.process import environment
from mlx_pipelines.refusals import refuse_what_runs_wrongly
from mlx_specs.digests import digest

IR = dict[str, Any]
LIMIT_SECONDS = 120
TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "STRING": ("a text", (str,)),
    "NUMBER_INTEGER": ("a whole number", (int,)),
    "NUMBER_DOUBLE": ("a number", (int, float)),
    "BOOLEAN": ("true or false", (bool,)),
    "LIST": ("a list", (list,)),
    "STRUCT": ("a map", (dict,)),
}


@dataclass(frozen=True)
class CompiledPipeline:
    """Where the IR is, and the names of its steps in an order in which they can run."""

    ir_digest: str
    path: Path
    steps: tuple[str, ...]


def compile_pipeline(entry: str, arguments: Mapping[str, Any], workspace: Path, out: Path) -> CompiledPipeline:
    """Compiles ``MODULE:FUNCTION``; ``out`` is the folder for IR_DIGEST.yaml."""
    documents = _compile(entry, workspace)
    ir = documents[0]
    refuse_what_runs_wrongly(documents)
    _check_parameters(entry, ir, arguments)
    ir_digest = _ir_digest(ir)
    path = out / f"{ir_digest}.yaml"
    out.mkdir(parents=True, exist_ok=True)
    _write(path, ir)
    return CompiledPipeline(ir_digest, path, step_names(ir))


def read_ir(path: Path) -> IR:
    """The first document of an IR file: the pipeline."""
    return next(iter(yaml.load_all(path.read_text(), Loader=_Loader)))


def pipeline_parameters(ir: IR) -> dict[str, dict[str, Any]]:
    """The pipeline function's parameters: name -> parameterType, isOptional, defaultValue."""
    return ir["root"].get("inputDefinitions", {}).get("parameters", {})


def step_names(ir: IR) -> tuple[str, ...]:
    """The names under which the steps run, those of inner pipelines in the place of the inner pipeline."""
    return tuple(_dag_steps(ir, ir["root"]["dag"]))


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _compile(entry: str, workspace: Path) -> list[IR]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ir.yaml"
        command = [sys.executable, "-m", "mlx_pipelines.compiler_process", entry, str(path)]
        done = subprocess.run(command, cwd=workspace, env=environment(workspace), capture_output=True, text=True, timeout=LIMIT_SECONDS)
        if done.returncode != 0:
            raise PipelineError(f"{entry} does not compile: {last_exception(done.stderr) or done.stderr.strip()[-400:]}", hint=_place(done.stderr, workspace))
        return list(yaml.load_all(path.read_text(), Loader=_Loader))


def _place(traceback: str, workspace: Path) -> str:
    """The deepest line of the traceback that is the user's."""
    own = [line.strip() for line in traceback.splitlines() if line.strip().startswith(f'File "{workspace / code.FOLDER}')]
    return own[-1] if own else "the pipeline function is called once to compile it; look at what it does"


def _check_parameters(entry: str, ir: IR, arguments: Mapping[str, Any]) -> None:
    taken = pipeline_parameters(ir)
    for name, value in arguments.items():
        _check_argument(entry, name, value, taken)
    for name, parameter in taken.items():
        if name in contract.NAMES:
            _check_offered(entry, name, parameter)
        elif name not in arguments and not parameter.get("isOptional"):
            raise PipelineError(
                f"{entry} takes {name!r}, which has no value",
                hint=_near(name, contract.NAMES) or f"give it in the Pipeline's arguments, or a default: def pipeline({name}=...)",
            )


def _check_argument(entry: str, name: str, value: Any, taken: Mapping[str, dict[str, Any]]) -> None:
    if name in contract.NAMES:
        raise PipelineError(f"argument {name!r} of {entry} is given by mlx", hint=f"rename the pipeline's own parameter, or take {name!r} out of arguments")
    if name not in taken:
        raise PipelineError(
            f"{entry} takes no argument {name!r}", hint=_near(name, taken.keys() - contract.NAMES) or f"it takes: {', '.join(sorted(taken)) or 'nothing'}"
        )
    words, types = TYPES.get(taken[name]["parameterType"], ("", ()))
    fits = isinstance(value, types) and (not isinstance(value, bool) or bool in types)
    if types and not fits:
        raise PipelineError(f"argument {name!r} of {entry} must be {words}, not {value!r}")


def _check_offered(entry: str, name: str, parameter: Mapping[str, Any]) -> None:
    wanted = "NUMBER_INTEGER" if name == "seed" else "STRING"
    if parameter["parameterType"] != wanted:
        kind = "int" if name == "seed" else "str"
        raise PipelineError(
            f"{entry} declares {name!r} with another type than mlx gives it", hint=f"declare it as `{name}: {kind}`; lists and maps are JSON text"
        )


def _near(name: str, among: Any) -> str:
    near = difflib.get_close_matches(name, sorted(among), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def _ir_digest(ir: IR) -> str:
    """Without KFP's version and descriptions; a step's source counts by its syntax tree, so comments do not."""
    return digest(_without_prose({key: value for key, value in ir.items() if key != "sdkVersion"}))


def _without_prose(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_prose(item) for key, item in value.items() if key != "description"}
    if isinstance(kept.get("command"), list) and kept["command"]:
        kept["command"] = [*kept["command"][:-1], _canonical_source(kept["command"][-1])]
    return kept


def _canonical_source(source: str) -> str:
    try:
        return code.canonical(ast.parse(source))
    except SyntaxError:
        return source


def _write(path: Path, ir: IR) -> None:
    """Atomically: a killed apply leaves no half IR."""
    part = path.with_suffix(".part")
    part.write_text(yaml.safe_dump(ir, sort_keys=True))
    part.replace(path)


def _dag_steps(ir: IR, dag: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for task in _in_order(dag["tasks"]):
        component = dag["tasks"][task]["componentRef"]["name"]
        inner = ir["components"][component].get("dag")
        names.extend(_dag_steps(ir, inner) if inner else [component.removeprefix("comp-")])
    return names


def _in_order(tasks: Mapping[str, Any]) -> list[str]:
    """Each task after those it depends on; among equals by name."""
    done: list[str] = []
    while len(done) < len(tasks):
        ready = [name for name in sorted(tasks) if name not in done and all(before in done for before in tasks[name].get("dependentTasks", []))]
        done.append(ready[0])
    return done
