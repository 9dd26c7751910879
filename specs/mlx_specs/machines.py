"""The machines that node pools are made of: tables in ``machines/PROVIDER.yaml``, ours and the workspace's own.

A provider and a workspace enter; ``Machine`` rows by name, or diagnostics about the workspace's file, leave. Ours are list
prices of one region on one day: a row of the same name in the workspace replaces ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mlx_specs.base import Quantity, Strict
from mlx_specs.capacity import GI, number_of
from mlx_specs.cluster import Cluster, ClusterSpec, NodePool, Requirements
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, did_you_mean, there_are
from mlx_specs.documents import Document
from mlx_specs.documents import Path as FieldPath
from mlx_specs.graph import Node
from mlx_specs.words import diagnose
from mlx_specs.yaml_reader import read

Cloud = Literal["aks", "eks", "gke"]
Intent = Literal["general", "memory", "gpu"]
OURS = Path(__file__).parent / "machines"
MEMORY_A_CORE = 6 * GI
"""Machines with more than this for each core are of the clouds' memory families (8 GiB); general ones have 4 GiB at most."""

Price = Annotated[float, Field(gt=0)]


class MachineRow(Strict):
    """One machine type."""

    cpu: Annotated[int, Field(ge=1)] = Field(description="Its virtual cores.")
    memory: Quantity = Field(description="Its memory, such as 16Gi.")
    gpus: Annotated[int, Field(ge=0)] = Field(default=0, description="How many GPUs it has.")
    gpu_model: str | None = Field(default=None, description="Their model, such as A100-80GB.")
    type: str | None = Field(default=None, description="What the cloud calls it; left out: the row's own name.")
    accelerator: str | None = Field(default=None, description="What the cloud calls its GPUs, where node pools name them (GKE).")
    pods: Annotated[int, Field(ge=1)] | None = Field(default=None, description="The most pods that its network can address (EKS).")
    price: Price | None = Field(default=None, description="USD an hour on demand.")
    spot_price: Price | None = Field(default=None, description="USD an hour as spot capacity.")

    @model_validator(mode="after")
    def _gpus_have_a_model(self) -> Self:
        if (self.gpus > 0) != (self.gpu_model is not None):
            raise ValueError("'gpus' and 'gpuModel' go together")
        return self


class MachineFile(Strict):
    """machines/PROVIDER.yaml."""

    region: str | None = Field(default=None, description="The region that the prices are of.")
    noted: str | None = Field(default=None, description="When the prices were noted, and how.")
    source: str | None = Field(default=None, description="Where the prices stand.")
    machines: dict[str, MachineRow] = Field(description="Machines by name.")


@dataclass(frozen=True)
class Machine:
    """One machine type, and where its price comes from."""

    name: str
    type: str
    cpu: int
    """Cores."""
    memory: int
    """Bytes."""
    gpus: int
    gpu_model: str | None
    accelerator: str | None
    pods: int | None
    price: float | None
    """USD an hour."""
    spot_price: float | None
    region: str | None
    noted: str | None
    source: str | None

    @property
    def intent(self) -> Intent:
        """Which pools it is the natural machine of."""
        if self.gpus:
            return "gpu"
        return "memory" if self.memory > MEMORY_A_CORE * self.cpu else "general"


class MachineError(ValueError):
    """No machine can be told; ``field`` is the part of the node pool that is at fault."""

    def __init__(self, message: str, hint: str, field: FieldPath) -> None:
        super().__init__(message)
        self.message, self.hint, self.field = message, hint, field


def machine_table(provider: Cloud, workspace: Path) -> Mapping[str, Machine]:
    """The machines of a cloud by name; what is wrong in the workspace's file is ``table_problems``'s to tell."""
    own = _read_file(own_file(provider), workspace / own_file(provider))
    return _ours(provider) if isinstance(own, list) else {**_ours(provider), **own}


def table_problems(provider: Cloud, workspace: Path) -> list[Diagnostic]:
    """What is wrong in ``machines/PROVIDER.yaml`` of the workspace."""
    own = _read_file(own_file(provider), workspace / own_file(provider))
    return own if isinstance(own, list) else []


def machine_of(provider: Cloud, pool: NodePool, table: Mapping[str, Machine]) -> Machine:
    """The machine that a pool names; else the cheapest that offers what it requires; else the cheapest of its intent.

    Raises MachineError where the table has none. Machines without a price come last.
    """
    if pool.machine is not None:
        if pool.machine not in table:
            raise _unknown(provider, pool.machine, table)
        return table[pool.machine]
    fitting = [machine for machine in table.values() if _suits(machine, pool)]
    if not fitting:
        raise _none_suits(provider, pool.requirements or Requirements(), table)
    return min(fitting, key=_cheapest)


def _unknown(provider: Cloud, name: str, table: Mapping[str, Machine]) -> MachineError:
    hint = f"its size must be known: add a row for it in {own_file(provider)} of the workspace"
    return MachineError(f"our table of {provider} has no machine '{name}'{did_you_mean(name, table)}", hint, ("machine",))


def _none_suits(provider: Cloud, requirements: Requirements, table: Mapping[str, Machine]) -> MachineError:
    models, wanted = {machine.gpu_model for machine in table.values() if machine.gpu_model is not None}, requirements.gpu_model
    hint = f"add a row for such a machine in {own_file(provider)} of the workspace"
    if wanted is None or any(_is_model(model, wanted) for model in models):
        return MachineError(f"our table of {provider} has no machine that offers all of this", f"require less, or {hint}", ("requirements",))
    message = f"our table of {provider} has no machine with the GPU '{wanted}'{did_you_mean(wanted, models)}"
    return MachineError(message, f"{there_are(sorted(models))}; or {hint}", ("requirements", "gpuModel"))


def machine_problems(node: Node, workspace: Path) -> Iterator[Diagnostic]:
    """Every pool of a Cluster has a machine that the table knows: else neither its capacity nor its cost can be told."""
    if not isinstance(node.object, Cluster) or node.object.spec.provider == "existing":
        return
    provider = node.object.spec.provider
    wrong = table_problems(provider, workspace)
    if wrong:
        yield from wrong
        return
    table = machine_table(provider, workspace)
    yield from _system_machine(node, node.object.spec, table)
    for name, pool in node.object.spec.node_pools.items():
        try:
            machine = machine_of(provider, pool, table)
        except MachineError as error:
            yield node.problem(("spec", "nodePools", name, *error.field), "machine", error.message, error.hint)
        else:
            yield from _suits_the_intent(node, name, pool, machine)


def _system_machine(node: Node, cluster: ClusterSpec, table: Mapping[str, Machine]) -> Iterator[Diagnostic]:
    """AKS's own nodes cost, too."""
    if cluster.aks is not None and cluster.aks.system.machine not in table:
        error = _unknown("aks", cluster.aks.system.machine, table)
        yield node.problem(("spec", "aks", "system", "machine"), "machine", error.message, error.hint)


def _suits_the_intent(node: Node, name: str, pool: NodePool, machine: Machine) -> Iterator[Diagnostic]:
    """GPU nodes are tainted by their pool's intent: said wrongly, anything runs on them, or nothing finds its GPU."""
    field = "machine" if pool.machine is not None else "requirements"
    if machine.gpus and pool.intent != "gpu":
        message = f"{machine.name} has {machine.gpus} {machine.gpu_model}: pool '{name}' is for other work"
        yield node.problem(("spec", "nodePools", name, field), "machine", message, "write intent: gpu, or take a machine without GPUs")
    if not machine.gpus and pool.intent == "gpu":
        message = f"{machine.name} has no GPU: pool '{name}' is for GPUs"
        yield node.problem(("spec", "nodePools", name, field), "machine", message, "take a machine with GPUs, or write another intent")


def cheapest(machines: Mapping[str, Machine]) -> list[Machine]:
    """All machines, the cheapest first."""
    return sorted(machines.values(), key=_cheapest)


def _cheapest(machine: Machine) -> tuple[bool, float, str]:
    return machine.price is None, machine.price or 0, machine.name


def _suits(machine: Machine, pool: NodePool) -> bool:
    if pool.requirements is None:
        return machine.intent == pool.intent
    wants_gpus = pool.intent == "gpu" or pool.requirements.gpu_model is not None or pool.requirements.gpu_count is not None
    is_of_family = machine.intent == "memory" or pool.intent != "memory"
    return (machine.gpus > 0) == wants_gpus and (is_of_family or wants_gpus) and _offers(machine, pool.requirements)


def _offers(machine: Machine, requirements: Requirements) -> bool:
    return (
        machine.cpu >= (requirements.cpu or 0)
        and machine.memory >= number_of(requirements.memory or "0")
        and machine.gpus >= (requirements.gpu_count or 0)
        and (requirements.gpu_model is None or _is_model(machine.gpu_model or "", requirements.gpu_model))
    )


def _is_model(model: str, wanted: str) -> bool:
    """``A100`` is any A100; ``A100-80GB`` is that one."""
    return f"{model}-".lower().startswith(f"{wanted}-".lower())


def own_file(provider: Cloud) -> str:
    """Relative to the workspace."""
    return f"machines/{provider}.yaml"


@lru_cache
def _ours(provider: Cloud) -> Mapping[str, Machine]:
    made = _read_file(own_file(provider), OURS / f"{provider}.yaml")
    assert not isinstance(made, list), made
    return made


def _read_file(name: str, path: Path) -> dict[str, Machine] | list[Diagnostic]:
    """The machines of a file; none where there is no file; diagnostics where something in it is wrong."""
    file = File(name)
    try:
        file = File(name, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        return [diagnostic(Place(file), "file", f"the file cannot be read: {error}")]
    parsed, problems = read(file)
    if problems:
        return problems
    if len(parsed) != 1:
        return [diagnostic(Place(file), "file", "expected one document with machines", "write machines: {NAME: {cpu: 4, memory: 16Gi, price: 0.2}}")]
    return _machines(Document(file, parsed[0].value, parsed[0].node, parsed[0].offset))


def _machines(document: Document) -> dict[str, Machine] | list[Diagnostic]:
    try:
        made = MachineFile.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        return diagnose(error, MachineFile, document)
    return {name: _machine(name, row, made) for name, row in made.machines.items()}


def _machine(name: str, row: MachineRow, file: MachineFile) -> Machine:
    return Machine(
        name=name,
        type=row.type or name,
        cpu=row.cpu,
        memory=int(number_of(row.memory)),
        gpus=row.gpus,
        gpu_model=row.gpu_model,
        accelerator=row.accelerator,
        pods=row.pods,
        price=row.price,
        spot_price=row.spot_price,
        region=file.region,
        noted=file.noted,
        source=file.source,
    )
