"""The clouds are mocked here: Pulumi's own mocks stand for engine and providers, for no cloud can be had in a test.

A cluster's spec enters; what the program declares leaves, as the engine is told it: inputs, parent, options.
"""

import base64
import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from mocked_program import Declared, declared_by, named
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

from mlx_components.clusters.outputs import CloudCluster
from mlx_components.clusters.providers import PROVIDERS
from mlx_specs.cluster import Cluster
from mlx_specs.machines import machine_of, machine_table

SERVER = {"server": "https://main.example.com:443", "certificate-authority-data": "Q0E="}
ANSWER = {"clusters": [{"name": "main", "cluster": SERVER}], "users": [{"name": "x", "user": {"token": "hunter2", "client-key-data": "aHVudGVyMg=="}}]}
"""What Azure may answer; nothing but the server may be taken from it."""
CALLS: Mapping[str, dict[str, Any]] = {
    "azure-native:containerservice:listManagedClusterUserCredentials": {
        "kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(json.dumps(ANSWER).encode()).decode()}]
    },
    "gcp:organizations/getProject:getProject": {"number": "123456789012"},
}
OUTPUTS: Mapping[str, dict[str, Any]] = {
    "azure-native:containerservice:ManagedCluster": {
        "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://oidc.example.com/id"},
        "identity": {"type": "UserAssigned"},  # a list goes in, a map comes out
    },
    "aws:eks/cluster:Cluster": {
        "endpoint": SERVER["server"],
        "certificateAuthority": {"data": "Q0E="},
        "identities": [{"oidcs": [{"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"}]}],
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "gcp:container/cluster:Cluster": {
        "endpoint": "192.0.2.1",
        "masterAuth": {"clusterCaCertificate": "Q0E=", "clientKey": "hunter2", "clientCertificateConfig": {"issueClientCertificate": False}},
    },
}
"""What clouds answer that is more than a name made of the resource's."""
COMPUTED = ("arn", "email", "member", "principalId", "clientId", "allocationId", "keyArn")


@dataclass(frozen=True)
class Told:
    """What a program declared, and what it gave back, its outputs resolved."""

    resources: tuple[Declared, ...]
    calls: tuple[str, ...]
    outputs: Mapping[str, Any]

    def named(self, kind: str, name: str) -> Declared:
        """The resource ``kind``, such as AgentPool, of this name."""
        (found,) = [each for each in self.resources if each.type.rpartition(":")[2] == kind and each.name == name]
        return found

    def inputs(self) -> dict[str, Mapping[str, Any]]:
        """Inputs by ``KIND NAME``, without those whose changes are ignored: they cannot show that a field works."""
        clouds = [each for each in self.resources if not each.type.startswith("mlx:")]
        return {f"{each.type.rpartition(':')[2]} {each.name}": _without_ignored(each) for each in clouds}


class MockedCloud(Mocks):
    """Every resource gets an ID and what the clouds compute, made of its name."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        kind = args.typ.rpartition(":")[2]
        computed = {name: f"<{kind} {args.name}>.{name}" for name in COMPUTED}
        return f"<{kind} {args.name}>.id", {"name": args.name, **computed, **args.inputs, **OUTPUTS.get(args.typ, {})}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        self.calls.append(f"{args.token} {json.dumps(args.args, sort_keys=True)}")
        return CALLS[args.token], []


class Around(pulumi.ComponentResource):
    """What a Cluster's component is to the provider: a parent."""

    def __init__(self) -> None:
        super().__init__("mlx:components:Cluster", "main")


def declared(obj: Mapping[str, Any], workspace: Path = Path("/nowhere")) -> Told:
    """What a Cluster object declares, in the order of types and names."""
    cluster = Cluster.model_validate(obj)
    mocks = MockedCloud()
    outputs: dict[str, Any] = {}

    def program() -> Any:
        made = _declare(cluster, workspace)
        told = {"kubeconfig": made.kubeconfig, "identity": dict(made.identity), "variables": dict(made.variables), "autoscaler": dict(made.autoscaler)}
        ready = [resource.urn for resource in made.ready]
        return pulumi.Output.all(told=told, ready=ready, secret=pulumi.Output.from_input(made.kubeconfig).is_secret()).apply(
            lambda known: outputs.update(
                known["told"], context=made.context, podLabels=dict(made.pod_labels), ready=[named(urn) for urn in known["ready"]], secret=known["secret"]
            )
        )

    return Told(declared_by(program, mocks), tuple(sorted(mocks.calls)), outputs)


def _declare(cluster: Cluster, workspace: Path) -> CloudCluster:
    spec = cluster.spec
    assert spec.provider != "existing"
    table = machine_table(spec.provider, workspace)
    machines = {name: machine_of(spec.provider, pool, table) for name, pool in spec.node_pools.items()}
    return PROVIDERS[spec.provider](cluster.metadata.name, spec, machines, Around())


def wire(resource: Declared) -> dict[str, Any]:
    """JSON as goldens show it, without what is not said."""
    said = {
        "type": resource.type, "name": resource.name, "parent": resource.parent, "inputs": _readable(resource.inputs), "protect": resource.protect,
        "ignoreChanges": list(resource.ignore_changes), "deleteBeforeReplace": resource.delete_before_replace,
        "dependsOn": list(resource.depends_on), "provider": resource.provider,
    }  # fmt: skip
    return {key: value for key, value in said.items() if value or key in ("type", "name", "parent", "inputs")}


def _readable(value: Any) -> Any:
    """Policies are JSON in a text: goldens show what is in it."""
    if isinstance(value, Mapping):
        return {key: _readable(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        return {"json": yaml.safe_load(value)}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_ignored(resource: Declared) -> Mapping[str, Any]:
    inputs = deepcopy(dict(resource.inputs))
    for path in resource.ignore_changes:
        *above, last = [int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", path)]
        holder: Any = inputs
        for part in above:
            holder = holder[part]
        del holder[last]
    return inputs
