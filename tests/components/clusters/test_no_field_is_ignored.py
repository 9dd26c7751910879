"""No field of a cluster is ignored: on each cloud a second value changes the inputs of resources, or is refused by name.

The fields are all that the models have; a field that neither changes anything nor is refused fails here. Which resources change
stands in goldens/fields-CLOUD.txt.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from field_paths import REMOVED, FieldPath, changed_at, every_field, value_at
from mocked_cloud import Told, declared
from pydantic import ValidationError
from sample_clusters import CLOUDS, DISK_KEYS, KEYS, OWN, SUBSCRIPTION, existing_parts, full, small
from second_values import second_value

from mlx_specs.cluster import Cluster

PROVED_ELSEWHERE = (
    "Cluster.spec.state",
    "Cluster.spec.protect",
    "Cluster.spec.parallel",
    "Cluster.spec.addOns",
    "Cluster.spec.context",
    "Cluster.spec.kubeconfig",
)
"""Of the stack, of add-ons and of existing clusters; what protect protects has a test in test_resources."""
THE_CLOUD_ITSELF = ("Cluster.spec.provider",)
"""Another provider is another program."""
WALKED = {
    "intent": "gpu", "min": 1, "max": 4, "spot": True, "disk": "500Gi", "labels": {"team": "ml"},
    "taints": [{"key": "dedicated", "value": "ml", "effect": "NoExecute"}],
}  # fmt: skip
GPUS: Mapping[str, dict[str, Any]] = {
    "aks": {"cpu": 4, "memory": "16Gi", "gpuModel": "T4", "gpuCount": 1},
    "eks": {"cpu": 4, "memory": "16Gi", "gpuModel": "A10G", "gpuCount": 1},
    "gke": {"cpu": 4, "memory": "16Gi", "gpuModel": "L4", "gpuCount": 1},
}
SECOND: Mapping[str, Mapping[str, Any]] = {
    "aks": {
        "region": "northeurope",
        "aks.subnet": f"{SUBSCRIPTION}/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/other",
        "aks.storageAccount": f"{SUBSCRIPTION}/data/providers/Microsoft.Storage/storageAccounts/other",
        "aks.keyVault": f"{SUBSCRIPTION}/keys/providers/Microsoft.KeyVault/vaults/other",
        "aks.system.machine": "Standard_D8s_v5",
        "aks.system.zones": ["3"],
        "nodePools.*.machine": "Standard_NC24ads_A100_v4",
        "nodePools.*.requirements.gpuModel": "A100",
        "nodePools.*.zones": ["3"],
        "storage.bucket": "azblob://other",
        "encryptionKey": KEYS["aks"].replace("cluster", "other"),
        "diskEncryptionKey": DISK_KEYS["aks"].replace("nodes", "other"),
        "upgradeChannel": "none",
    },
    "eks": {
        "region": "eu-north-1",
        "eks.subnets": {"eu-west-1a": "subnet-a", "eu-west-1b": "subnet-d"},
        "eks.zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        "eks.roleArn": "arn:aws:iam::123456789012:role/other",
        "eks.nodeRoleArn": "arn:aws:iam::123456789012:role/other",
        "eks.adminRoles": ["arn:aws:iam::123456789012:role/other"],
        "nodePools.*.machine": "p4d.24xlarge",
        "nodePools.*.requirements.gpuModel": "A100",
        "nodePools.*.zones": ["eu-west-1b"],
        "storage.bucket": "s3://other",
        "encryptionKey": KEYS["eks"].replace("1111", "9999"),
        "diskEncryptionKey": DISK_KEYS["eks"].replace("6666", "9999"),
        "upgradeChannel": "standard",
    },
    "gke": {
        "region": "europe-west4",
        "gke.network": "projects/hub/global/networks/other",
        "gke.subnetwork": "projects/hub/regions/europe-west1/subnetworks/other",
        "nodePools.*.machine": "a2-highgpu-1g",
        "nodePools.*.requirements.gpuModel": "A100",
        "nodePools.*.zones": ["europe-west1-c"],
        "storage.bucket": "gs://other",
        "encryptionKey": KEYS["gke"].replace("cluster", "other"),
        "diskEncryptionKey": DISK_KEYS["gke"].replace("nodes", "other"),
        "upgradeChannel": "rapid",
    },
}
ANYWHERE: Mapping[str, Any] = {
    "version": "1.34", "nodePools.*.requirements.cpu": 48, "nodePools.*.requirements.memory": "150Gi", "nodePools.*.requirements.gpuCount": 4,
    "nodePools.*.taints": [], "nodePools.*.disk": "600Gi", "storage.serviceAccounts": ["ml/other"],
}  # fmt: skip
BESIDES: Mapping[str, Mapping[str, Any]] = {
    "nodePools.*.machine": {"nodePools.*.requirements": REMOVED},
    "nodePools.*.autoscale": {"nodePools.*.min": REMOVED},
}
"""What has to change together with a field."""


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_second_value_of_a_field_changes_resources_or_is_refused(cloud: str, golden: Callable[[str, str], None]) -> None:
    bases = {name: (made, declared(made)) for name, made in {"walked": walked(cloud), "small": small(cloud), "full": full(cloud)}.items()}
    lines = [f"{spec_path(field):<36} {outcome(cloud, field, bases)}" for field in fields()]
    assert [line for line in lines if line.split()[1].startswith("ignored")] == []
    golden(f"fields-{cloud}.txt", "\n".join(lines) + "\n")


def test_the_fields_that_are_proved_elsewhere_are_fields() -> None:
    paths = [field.path for field in every_field()]
    assert [prefix for prefix in (*PROVED_ELSEWHERE, *THE_CLOUD_ITSELF) if not any(path.startswith(prefix) for path in paths)] == []


def fields() -> Iterator[FieldPath]:
    for field in every_field():
        if field.path.startswith("Cluster.spec.") and not field.path.startswith((*PROVED_ELSEWHERE, *THE_CLOUD_ITSELF)):
            yield field


def spec_path(field: FieldPath) -> str:
    return field.path.removeprefix("Cluster.spec.")


def walked(cloud: str) -> dict[str, Any]:
    """The full cluster with what is there already, and first a pool that says everything."""
    obj = existing_parts(cloud)
    zones = obj["spec"]["nodePools"]["general"]["zones"]
    pools = {"walked": {**WALKED, "requirements": GPUS[cloud], "zones": zones}, "general": obj["spec"]["nodePools"]["general"]}
    if cloud == "aks":
        pools["general"]["zones"] = []
    return changed_at(obj, "Cluster.spec.nodePools", pools)


def outcome(cloud: str, field: FieldPath, bases: Mapping[str, tuple[dict[str, Any], Told]]) -> str:
    path = spec_path(field)
    base, first = bases[{"region": "small", "eks.zones": "full" if cloud == "eks" else "walked"}.get(path, "walked")]
    try:
        second = declared(changed(cloud, field, base))
    except ValidationError as error:
        message = str(error.errors()[0].get("ctx", {}).get("error", ""))
        return f"refused: {message}" if f"'{path.partition('.')[0]}'" in message else f"ignored, refused for something else: {message}"
    before, after = first.inputs(), second.inputs()
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return ", ".join(names) or "ignored"


def changed(cloud: str, field: FieldPath, base: Mapping[str, Any]) -> dict[str, Any]:
    """The object with the second value, and with what has to change with it."""
    path = spec_path(field)
    settings, _, rest = path.partition(".")
    if rest and settings in CLOUDS and settings != cloud:
        return changed_at(base, f"Cluster.spec.{settings}", OWN[settings][settings])
    value = {**ANYWHERE, **SECOND[cloud]}.get(path)
    if path == "nodePools":
        value = {"general": base["spec"]["nodePools"]["general"]}
    if value is None:
        value = second_value(field, value_at(base, field.path))
    obj = changed_at(base, field.path, value)
    for other, new in BESIDES.get(path, {}).items():
        obj = changed_at(obj, f"Cluster.spec.{other}", new)
    Cluster.model_validate(obj)
    return obj
