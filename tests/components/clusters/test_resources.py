"""What a cluster becomes on each cloud: the graph of resources in goldens/, under mocks of engine and clouds.

What no mock can tell is whether a cloud takes it; that every name is one that the cloud's package knows is told here.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from mocked_cloud import Told, declared, wire
from mocked_program import Declared
from pulumi._types import input_type_types, is_input_type
from sample_clusters import CLOUDS, existing_parts, full, small

from mlx_components.clusters.versions import PACKAGES

SAMPLES: Mapping[str, Callable[[str], dict[str, Any]]] = {"small": small, "full": full, "existing-parts": existing_parts}
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture(scope="module", params=[f"{cloud}-{sample}" for cloud in CLOUDS for sample in SAMPLES])
def told(request: pytest.FixtureRequest) -> tuple[str, Told]:
    cloud, _, sample = request.param.partition("-")
    return request.param, declared(SAMPLES[sample](cloud))


def test_a_cluster_becomes_these_resources(told: tuple[str, Told], golden: Callable[[str, str], None]) -> None:
    name, what = told
    shown = {"resources": [wire(each) for each in what.resources], "calls": list(what.calls), "outputs": {**what.outputs}}
    shown["outputs"]["kubeconfig"] = json.loads(what.outputs["kubeconfig"])
    golden(f"{name}.json", json.dumps(shown, indent=1, sort_keys=True) + "\n")


def test_every_input_is_a_property_of_the_sdk(told: tuple[str, Told]) -> None:
    unknown = [
        f"{each.type} {path}"
        for each in told[1].resources
        if not each.type.startswith(("mlx:", "pulumi:"))
        for path in unknown_properties(each.inputs, args_of(each.type), "")
    ]
    assert unknown == []


def test_a_property_that_the_sdk_does_not_know_is_found_at_any_depth() -> None:
    wrong = {
        "agentPoolProfiles": [{"name": "system", "vmSizes": "D2"}],
        "securityProfile": {"azureKeyVaultKms": {"key": "k"}},
        "region": "x",
        "tags": {"a": "b"},
    }
    assert unknown_properties(wrong, args_of("azure-native:containerservice:ManagedCluster"), "") == [
        ".region",
        ".agentPoolProfiles[].vmSizes",
        ".securityProfile.azureKeyVaultKms.key",
    ]


def test_every_ignored_change_is_of_an_input(told: tuple[str, Told]) -> None:
    assert [(each.name, path) for each in told[1].resources for path in each.ignore_changes if not leads_somewhere(each, path)] == []


def test_every_resource_belongs_to_the_cluster(told: tuple[str, Told]) -> None:
    assert {each.parent for each in told[1].resources if each.type != "mlx:components:Cluster"} == {"Cluster main"}


def test_a_kubeconfig_asks_a_program_for_credentials_and_has_none(told: tuple[str, Told]) -> None:
    """The mocked clouds answer with tokens and keys, which are named hunter2."""
    made = json.loads(told[1].outputs["kubeconfig"])
    (user,) = made["users"]
    assert user["user"].keys() == {"exec"}
    assert made["current-context"] == told[1].outputs["context"] == "main"
    assert "hunter2" not in json.dumps(told[1].outputs)
    assert not told[1].outputs["secret"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_is_protected_is_what_another_of_its_name_could_not_replace(cloud: str) -> None:
    assert [each.name for each in declared(small(cloud)).resources if each.protect] == []
    assert {(each.type.rpartition(":")[2], each.name) for each in declared(full(cloud)).resources if each.protect} == {
        "aks": {("ManagedCluster", "main"), ("UserAssignedIdentity", "main-control-plane"), ("UserAssignedIdentity", "main-storage")},
        "eks": {
            ("Cluster", "main"), ("Role", "main-storage"), ("Vpc", "main"),
            *(("Subnet", f"main-{side}-eu-west-1{zone}") for side in ("private", "public") for zone in "ab"),
        },
        "gke": {("Cluster", "main"), ("Account", "main-storage"), ("Network", "main"), ("Subnetwork", "main")},
    }[cloud]  # fmt: skip


def test_a_zone_that_comes_moves_no_other_subnet() -> None:
    """EKS: addresses are a zone's own."""

    def subnets(zones: list[str]) -> dict[str, str]:
        obj = small("eks")
        obj["spec"]["eks"] = {"zones": [f"eu-west-1{zone}" for zone in zones]}
        return {each.name: each.inputs["cidrBlock"] for each in declared(obj).resources if each.type.endswith(":Subnet")}

    few, more = subnets(["b", "c"]), subnets(["a", "b", "c"])
    assert few.items() <= more.items()
    assert len(more) == len(set(more.values())) == 6


@pytest.mark.parametrize(
    ("machine", "intent", "image"),
    [
        ("m7i.xlarge", "general", "AL2023_x86_64_STANDARD"),
        ("m7g.xlarge", "general", "AL2023_ARM_64_STANDARD"),
        ("c7gn.xlarge", "memory", "AL2023_ARM_64_STANDARD"),
        ("g5.xlarge", "gpu", "AL2023_x86_64_NVIDIA"),
        ("g5g.xlarge", "gpu", "AL2023_ARM_64_NVIDIA"),
    ],
)
def test_eks_nodes_have_an_image_for_their_processor(machine: str, intent: str, image: str, tmp_path: Path) -> None:
    row = f"{machine}: {{cpu: 4, memory: 16Gi{', gpus: 1, gpuModel: A10G' if intent == 'gpu' else ''}}}"
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/eks.yaml").write_text(f"machines: {{{row}}}\n")
    obj = small("eks")
    obj["spec"]["nodePools"]["other"] = {"intent": intent, "machine": machine}
    assert declared(obj, tmp_path).named("NodeGroup", "main-other").inputs["amiType"] == image


def test_the_packages_are_those_that_the_project_asks_for() -> None:
    assert {name: version(name) for name in PACKAGES} == {name: package.version for name, package in PACKAGES.items()}
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = {requirement.partition(">=")[0]: requirement for extra in ("azure", "aws", "gcp") for requirement in extras[extra]}
    assert {name: asked[name] for name in PACKAGES} == {
        name: f"{name}>={'.'.join(package.version.split('.')[:2])},<{int(package.version.partition('.')[0]) + 1}" for name, package in PACKAGES.items()
    }


def test_a_clouds_package_is_imported_when_a_cluster_of_it_is_declared() -> None:
    """A process of its own: this one has them all by now."""
    code = (
        "import sys, mlx_components.clusters.providers; print([name for name in sys.modules if name.startswith(('pulumi_aws', 'pulumi_azure', 'pulumi_gcp'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def args_of(token: str) -> Any:
    """``aws:eks/nodeGroup:NodeGroup`` -> ``pulumi_aws.eks.NodeGroupArgs``."""
    package, module, name = token.split(":")
    return getattr(import_module(f"pulumi_{package.replace('-', '_')}.{module.partition('/')[0]}"), f"{name}Args")


def unknown_properties(value: Any, kind: Any, path: str) -> list[str]:
    """Paths of what the SDK's types do not know."""
    if is_input_type(kind) and isinstance(value, Mapping):
        types = input_type_types(kind)
        unknown = [f"{path}.{key}" for key in value if key not in types]
        return unknown + [found for key in value if key in types for found in unknown_properties(value[key], types[key], f"{path}.{key}")]
    if isinstance(value, list):
        items = next((get_args(each)[0] for each in branches(kind) if get_origin(each) is not None and get_args(each)), str)
        return [found for item in value for found in unknown_properties(item, only(items), f"{path}[]")]
    return unknown_properties(value, only(kind), path) if only(kind) is not kind else []


def branches(kind: Any) -> list[Any]:
    """The types in a union of types, without the SDK's wrappers."""
    origin = get_origin(kind)
    if origin is None or origin in (list, dict) or getattr(origin, "__name__", "") in ("Sequence", "Mapping"):
        return [kind]
    return [each for argument in get_args(kind) for each in branches(argument)]


def only(kind: Any) -> Any:
    """The model in a type, if there is one."""
    return next((each for each in branches(kind) if is_input_type(each)), kind)


def leads_somewhere(resource: Declared, path: str) -> bool:
    value: Any = resource.inputs
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError):
            return False
    return True
