"""A workspace opened for one environment: its graph, its stack and the host that runs it."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from mlx_engine.host import Host, Options, Stack
from mlx_engine.providers import ProviderFactory, ProviderLog
from mlx_specs.base import Metadata, SecretRef
from mlx_specs.cluster import Cluster
from mlx_specs.clusters import load_cluster, stack_name
from mlx_specs.diagnostics import Diagnostic
from mlx_specs.digests import digest
from mlx_specs.environment import Environment, EnvironmentSpec, KubernetesTarget
from mlx_specs.graph import Graph
from mlx_specs.layout import Layout, find_workspace, user_cache
from mlx_specs.load import drafted
from mlx_specs.state import FILE_BACKEND, State
from mlx_stacks.check import check_workspace
from mlx_stacks.errors import UnknownStack, UserError
from mlx_stacks.pinned import Released, pinned

if TYPE_CHECKING:
    from pulumi.provider.experimental.provider import Provider

PROJECT_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,100}")
"""What Pulumi takes as a project's name; it becomes a folder of the state."""


ABSENT = ("environment", "cluster")
"""Codes of what is wrong with the name of the stack, and not with a file."""


@dataclass(frozen=True)
class Workspace:
    """Everything that a verb needs to know; frozen while it runs."""

    root: Path
    project: str
    environment: Environment
    graph: Graph
    warnings: tuple[Diagnostic, ...]
    released: Released | None = None
    """What a pinned environment runs; None where the registry's alias is followed."""
    cluster: Cluster | None = None
    """The cluster whose own stack this is; its ``environment`` then stands for where the stack's state is, and how it is applied."""

    @property
    def name(self) -> str:
        """The environment's name, which is the stack's."""
        return self.environment.metadata.name

    @property
    def layout(self) -> Layout:
        """Where this environment's things stand."""
        return Layout(self.name)

    @property
    def home(self) -> Path:
        """The environment's folder."""
        return self.root / self.layout.home

    @property
    def stack(self) -> Stack:
        """The Pulumi stack, with the passphrase of its secrets."""
        return _stack(self.root, self.project, self.name, self.environment.spec.state)


def _stack(root: Path, project: str, name: str, state: State) -> Stack:
    in_folder = state.backend.startswith(FILE_BACKEND)
    place = root / state.backend.removeprefix(FILE_BACKEND) if in_folder else state.backend
    return Stack(project, name, root, place, passphrase=_passphrase(state.passphrase, root))


def stack_of_cluster(root: Path, project: str, cluster: Cluster) -> Stack:
    """A cluster's own stack, where its spec says that its state is."""
    return _stack(root, project, stack_name(cluster.metadata.name), cluster.spec.state)


def open_workspace(start: Path, environment: str | None = None, *, needs_specs: bool = True) -> Workspace:
    """Reads and checks the workspace at or above ``start``; raises ``UserError`` with every problem there is.

    Without ``needs_specs`` what is wrong with the specs is a warning, and only objects without problems are in the graph: to
    look at what runs, to read its logs and to stop it must work in the middle of an edit.
    """
    root = _root(start)
    if not needs_specs:
        return _as_it_is(root, environment)
    loaded, problems = check_workspace(root, environment)
    errors = [item for item in problems if item.severity == "error"]
    if errors or loaded.graph is None:
        raise _refusal(errors, problems)
    warnings = tuple(item for item in problems if item.severity != "error")
    if loaded.environment.spec.models != "pinned":
        return Workspace(root, _project(root), loaded.environment, loaded.graph, warnings)
    made = pinned(root, loaded.environment, loaded.graph)
    if made.problems:
        raise UserError(_count(len(made.problems)), diagnostics=(*warnings, *made.problems))
    return Workspace(root, _project(root), loaded.environment, made.graph, warnings, made.released)


def open_cluster(start: Path, name: str) -> Workspace:
    """The stack of one Cluster; raises ``UserError`` with every problem that its spec has."""
    root = _root(start)
    loaded = load_cluster(root, name)
    if loaded.node is None:
        raise _refusal(loaded.diagnostics, loaded.diagnostics)
    cluster = cast("Cluster", loaded.node.object)
    return Workspace(root, _project(root), _stack_of(cluster), loaded.graph, loaded.diagnostics, cluster=cluster)


def _stack_of(cluster: Cluster) -> Environment:
    """A cloud's provider is the pulumi CLI's to install."""
    spec = cluster.spec
    host = "embedded" if spec.provider == "existing" else "pulumi"
    settings = EnvironmentSpec(state=spec.state, protect=spec.protect, parallel=spec.parallel, host=host)
    return Environment.model_construct(metadata=Metadata.model_construct(name=stack_name(cluster.metadata.name)), spec=settings)


def _root(start: Path) -> Path:
    root = find_workspace(start.resolve())
    if root is None:
        raise UserError(f"no workspace at {start.resolve()} or above: no Pulumi.yaml", hint="go to your workspace, or make one with `mlx init`")
    return root


def _as_it_is(root: Path, name: str | None) -> Workspace:
    draught = drafted(root, name)
    if not draught.chosen.exists:
        raise _refusal(draught.diagnostics, draught.diagnostics)
    environment = draught.chosen.object
    if environment.spec.models != "pinned":
        return Workspace(root, _project(root), environment, draught.graph, draught.diagnostics)
    made = pinned(root, environment, draught.graph)
    return Workspace(root, _project(root), environment, made.graph, (*draught.diagnostics, *made.problems), made.released)


def open_host(workspace: Workspace, *, lock_timeout: float = 0.0, message: str = "") -> Host:
    """The embedded host, unless the environment or MLX_HOST asks for the pulumi CLI."""
    chosen = os.environ.get("MLX_HOST") or workspace.environment.spec.host
    options = Options(parallel=workspace.environment.spec.parallel, lock_timeout=lock_timeout, message=message)
    match chosen:
        case "embedded":
            return _embedded(workspace, options)
        case "pulumi":
            from mlx_engine.cli_host import cli_host

            return cli_host(workspace.stack, options, _plugin_folders(workspace))
        case other:
            raise UserError(f"MLX_HOST is {other!r}", hint="use embedded or pulumi")


def _plugin_folders(workspace: Workspace) -> list[Path]:
    """Where the CLI finds our Kubernetes provider; none where Pulumi's own is asked for, or nothing is on a cluster."""
    target = workspace.environment.spec.target
    on_cluster = workspace.cluster is not None or isinstance(target, KubernetesTarget)
    if not on_cluster or _wants_pulumis(workspace):
        return []
    from mlx_kubernetes.plugin import write_plugin

    return [write_plugin(user_cache() / "plugins" / digest(sys.executable)[:16])]


def _wants_pulumis(workspace: Workspace) -> bool:
    """Whether Pulumi's Kubernetes plugin, and not ours, is to talk to the API server. A cluster's own stack has no target that could ask for it."""
    target = workspace.environment.spec.target
    return isinstance(target, KubernetesTarget) and target.plugin == "pulumi"


def _embedded(workspace: Workspace, options: Options) -> Host:
    from mlx_engine.embedded import embedded_host
    from mlx_kubernetes.package import PACKAGE as KUBERNETES
    from mlx_kubernetes.package import make_provider
    from mlx_specs.resources import PACKAGE

    def mlx(log: ProviderLog) -> "Provider":
        from mlx_provider.provider import MlxProvider

        return MlxProvider(workspace.root, log)

    ours: dict[str, ProviderFactory] = {} if _wants_pulumis(workspace) else {KUBERNETES: make_provider}
    return embedded_host(workspace.stack, options, {PACKAGE: mlx, **ours})


def _refusal(errors: Sequence[Diagnostic], told: Sequence[Diagnostic]) -> UserError:
    """All that is told of the specs; where what was asked for is not there, that alone, which stands in no file."""
    absent = next((item for item in errors if item.code in ABSENT), None)
    return UnknownStack(absent.message, hint=absent.hint) if absent else UserError(_count(len(errors)), diagnostics=told)


def _count(problems: int) -> str:
    return "1 problem in the specs" if problems == 1 else f"{problems} problems in the specs"


def _project(root: Path) -> str:
    try:
        declared = yaml.safe_load((root / "Pulumi.yaml").read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{root / 'Pulumi.yaml'}: {error}", hint="it needs at least `name: NAME` and `runtime: python`") from error
    name = cast("dict[str, object]", declared).get("name") if isinstance(declared, dict) else None
    if not isinstance(name, str):
        raise UserError(f"{root / 'Pulumi.yaml'}: no name", hint="it needs at least `name: NAME` and `runtime: python`")
    if not PROJECT_NAME.fullmatch(name):
        raise UserError(f"{root / 'Pulumi.yaml'}: {name!r} is no project name", hint="at most 100 letters, digits, '.', '_' and '-', as Pulumi wants it")
    return name


def _passphrase(reference: SecretRef | None, root: Path) -> str:
    if reference is None:
        return ""
    if reference.env is not None:
        return _from_variable(reference.env)
    assert reference.file is not None, "validate refuses other references for a passphrase"
    path = root / reference.file
    try:
        return path.read_text().rstrip("\n")
    except OSError as error:
        raise UserError(f"state.passphrase: cannot read {path}: {error.strerror}", hint="create the file, or point to another") from error


def _from_variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise UserError(f"state.passphrase: the environment variable {name} is not set", hint=f"export {name}=...")
    return value
