"""What no cloud can honour is refused, and each message says what to write: goldens/refusals.txt has them all."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from field_paths import REMOVED, changed_at
from pydantic import ValidationError
from sample_clusters import CLOUDS, DISK_KEYS, KEYS, OWN, SUBSCRIPTION, existing_parts, full, made, small

from mlx_specs.cluster import Cluster, gibibytes

GENERAL = "nodePools.general"
TAINT = {"key": "a", "value": "b"}
CHANGES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("small", "aks", {"aks": REMOVED}),
    ("small", "gke", {"gke": REMOVED}),
    *(("small", cloud, {"region": REMOVED}) for cloud in CLOUDS),
    ("small", "eks", {"region": "EU (Ireland)"}),
    ("small", "aks", {"gke": OWN["gke"]["gke"], "eks": {}}),
    *(("small", cloud, {"context": "kind"}) for cloud in CLOUDS),
    *(("small", cloud, {"version": "1.33.4.5"}) for cloud in CLOUDS),
    *(("small", cloud, {"upgradeChannel": "extended" if cloud == "aks" else "patch"}) for cloud in CLOUDS),
    ("small", "aks", {"upgradeChannel": "rapid", "version": "1.33"}),
    ("small", "aks", {"upgradeChannel": "patch", "version": "1.33.4"}),
    ("small", "gke", {"upgradeChannel": "none", "version": "1.33"}),
    *(("full", cloud, {"storage.bucket": "file://lake"}) for cloud in CLOUDS),
    ("full", "eks", {"storage.bucket": "s3://lake/prefix"}),
    ("full", "eks", {"storage.serviceAccounts": ["mlx"]}),
    ("full", "aks", {"storage.serviceAccounts": [f"ml/mlx-{number}" for number in range(21)]}),
    *(("full", cloud, {"encryptionKey": KEYS["gke" if cloud == "aks" else "aks"]}) for cloud in CLOUDS),
    *(("full", cloud, {"diskEncryptionKey": DISK_KEYS["gke" if cloud == "aks" else "aks"]}) for cloud in CLOUDS),
    ("full", "aks", {"aks": {"resourceGroup": "ml"}}),
    ("small", "aks", {"aks": {**OWN["aks"]["aks"], "subnet": None}}),
    ("small", "aks", {"aks.subnet": "nodes"}),
    ("full", "aks", {"aks.storageAccount": f"{SUBSCRIPTION}/ml/providers/Microsoft.KeyVault/vaults/mlx"}),
    ("full", "aks", {"aks.keyVault": "mlx"}),
    ("small", "aks", {"aks.system": {"min": 4}}),
    ("small", "aks", {"aks.system": {"machine": "m7i.xlarge"}}),
    *(("small", cloud, {"tags": {"Cost Center?": "42"}}) for cloud in CLOUDS),
    ("small", "eks", {"tags": {"aws:team": "ml"}}),
    *(("small", cloud, {"tags": {f"tag-{number}": "x" for number in range(65)}}) for cloud in CLOUDS),
    *(("small", cloud, {f"{GENERAL}.zones": ["us-east-1a"]}) for cloud in CLOUDS),
    ("existing parts", "eks", {f"{GENERAL}.zones": ["eu-west-1f"]}),
    ("small", "eks", {"eks": {"zones": ["eu-west-1b", "eu-west-1c"]}, f"{GENERAL}.zones": ["eu-west-1a"]}),
    ("small", "eks", {"eks": {"zones": ["eu-west-1a"]}}),
    ("small", "eks", {"eks": {"subnets": {"eu-west-1a": "subnet-a"}}}),
    ("existing parts", "eks", {"eks.zones": ["eu-west-1a", "eu-west-1b"]}),
    ("small", "eks", {"eks": {"roleArn": "eks-control-plane"}}),
    ("small", "eks", {"eks": {"nodeRoleArn": "arn:aws:s3:::bucket"}}),
    ("small", "eks", {"eks": {"adminRoles": ["platform"]}}),
    ("small", "eks", {f"{GENERAL}.min": 0}),
    ("small", "eks", {f"{GENERAL}.taints": [TAINT]}),
    ("small", "eks", {"nodePools": {}}),
    ("small", "gke", {"gke.network": "hub"}),
    ("small", "gke", {f"{GENERAL}.autoscale": False, f"{GENERAL}.min": REMOVED}),
    ("small", "gke", {f"{GENERAL}.autoscale": False, f"{GENERAL}.min": REMOVED, f"{GENERAL}.zones": ["europe-west1-b", "europe-west1-c"]}),
    ("small", "aks", {f"{GENERAL}.autoscale": False}),
    ("small", "aks", {f"{GENERAL}.labels": {"kubernetes.io/role": "ml"}}),
    ("small", "aks", {f"{GENERAL}.labels": {"mlx.dev/pool": "other"}}),
    ("small", "aks", {f"{GENERAL}.labels": {"my team": "ml"}}),
    ("small", "aks", {f"{GENERAL}.taints": [{"key": "team", "value": "machine learning"}]}),
    ("small", "aks", {f"{GENERAL}.disk": "10Gi"}),
    ("small", "aks", {f"{GENERAL}.disk": "5Ti"}),
    ("small", "aks", {"version": "latest", "tags": {"a?": "b"}, "upgradeChannel": "extended"}),
)
SAMPLES: Mapping[str, Callable[[str], dict[str, Any]]] = {"small": small, "full": full, "existing parts": existing_parts}
ON_CLOUDS_ONLY: Mapping[str, Any] = {
    "region": "eu-west-1", "version": "1.33", "aks": {"resourceGroup": "ml"}, "eks": {}, "gke": {"project": "p"}, "privateEndpoint": True,
    "storage": {"bucket": "s3://lake", "serviceAccounts": ["ml/mlx"]}, "encryptionKey": KEYS["eks"],
    "diskEncryptionKey": DISK_KEYS["eks"], "upgradeChannel": "standard", "tags": {"a": "b"},
}  # fmt: skip


def test_what_a_cloud_cannot_honour_is_refused_in_words(golden: Callable[[str, str], None]) -> None:
    lines = [refusal(f"{sample} {cloud}", SAMPLES[sample](cloud), changes) for sample, cloud, changes in CHANGES]
    existing = made({"provider": "existing", "context": "kind"})
    lines += [refusal("existing", existing, {name: value}) for name, value in ON_CLOUDS_ONLY.items()]
    lines.append(refusal("existing", existing, {"context": REMOVED}))
    golden("refusals.txt", "".join(lines))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_samples_are_accepted(cloud: str) -> None:
    for sample in SAMPLES.values():
        Cluster.model_validate(sample(cloud))


def test_an_existing_cluster_may_say_what_its_pools_are() -> None:
    pools = {"general": {"intent": "general", "labels": {"kubernetes.io/role": "ml"}}}
    Cluster.model_validate(made({"provider": "existing", "context": "kind", "nodePools": pools}))


@pytest.mark.parametrize(("quantity", "size"), [("100Gi", 100), ("100G", 94), ("1Ti", 1024), ("99.5Gi", 100), ("53687091200", 50)])
def test_a_disk_has_whole_gibibytes(quantity: str, size: int) -> None:
    assert gibibytes(quantity) == size


def refusal(name: str, base: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    """The change, and what is said of it."""
    obj: dict[str, Any] = dict(base)
    for path, value in changes.items():
        obj = changed_at(obj, f"Cluster.spec.{path}", value)
    shown = ", ".join(f"{path}: {'left out' if value is REMOVED else brief(value)}" for path, value in changes.items())
    try:
        Cluster.model_validate(obj)
    except ValidationError as error:
        said = [str(each.get("ctx", {}).get("error", each["msg"])) for each in error.errors()]
        return f"{name}: {shown}\n" + "".join(f"    {line}\n" for text in said for line in text.split("; "))
    pytest.fail(f"{name} is accepted: {shown}")


def brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 90 else f"{text[:87]}..."
