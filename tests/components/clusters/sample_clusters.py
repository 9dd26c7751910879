"""A small and a full cluster of each cloud, as people write them."""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

CLOUDS = ("aks", "eks", "gke")
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups"
SETTINGS: Mapping[str, dict[str, Any]] = {
    "aks": {
        "region": "westeurope",
        "aks": {"resourceGroup": "ml"},
    },
    "eks": {"region": "eu-west-1"},
    "gke": {"region": "europe-west1", "gke": {"project": "mlx-prod"}},
}
MACHINES: Mapping[str, Mapping[str, str]] = {
    "aks": {"general": "Standard_D4s_v5", "gpu": "Standard_NC24ads_A100_v4"},
    "eks": {"general": "m7i.xlarge", "gpu": "p4d.24xlarge"},
    "gke": {"general": "n2-standard-4", "gpu": "a2-highgpu-1g"},
}
ZONES: Mapping[str, list[str]] = {"aks": ["1", "2"], "eks": ["eu-west-1a", "eu-west-1b"], "gke": ["europe-west1-b", "europe-west1-c"]}
BUCKETS: Mapping[str, str] = {"aks": "azblob://lake", "eks": "s3://lake-prod", "gke": "gs://lake-prod"}
KEYS: Mapping[str, str] = {
    "aks": "https://mlx.vault.azure.net/keys/cluster/0123456789abcdef0123456789abcdef",
    "eks": "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "gke": "projects/mlx-prod/locations/europe-west1/keyRings/mlx/cryptoKeys/cluster",
}
DISK_KEYS: Mapping[str, str] = {
    "aks": f"{SUBSCRIPTION}/keys/providers/Microsoft.Compute/diskEncryptionSets/nodes",
    "eks": "arn:aws:kms:eu-west-1:123456789012:key/66666666-7777-8888-9999-000000000000",
    "gke": "projects/mlx-prod/locations/europe-west1/keyRings/mlx/cryptoKeys/nodes",
}
OWN: Mapping[str, dict[str, Any]] = {
    "aks": {
        "aks": {
            "resourceGroup": "ml",
            "subnet": f"{SUBSCRIPTION}/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/nodes",
            "storageAccount": f"{SUBSCRIPTION}/data/providers/Microsoft.Storage/storageAccounts/mlxlake",
            "keyVault": f"{SUBSCRIPTION}/keys/providers/Microsoft.KeyVault/vaults/mlx",
            "adminGroups": ["00000000-0000-0000-0000-00000000000a"],
            "system": {"machine": "Standard_D2s_v5", "min": 2, "max": 4, "zones": ["1", "2"]},
        }
    },
    "eks": {
        "eks": {
            "subnets": {"eu-west-1a": "subnet-a", "eu-west-1b": "subnet-b", "eu-west-1c": "subnet-c"},
            "roleArn": "arn:aws:iam::123456789012:role/eks-control-plane",
            "nodeRoleArn": "arn:aws:iam::123456789012:role/eks-nodes",
            "adminRoles": ["arn:aws:iam::123456789012:role/platform"],
        }
    },
    "gke": {
        "gke": {
            "project": "mlx-prod",
            "network": "projects/hub/global/networks/hub",
            "subnetwork": "projects/hub/regions/europe-west1/subnetworks/nodes",
            "nodeServiceAccount": "nodes@mlx-prod.iam.gserviceaccount.com",
        }
    },
}
"""The settings that name what is there already."""
CHANNELS: Mapping[str, str] = {"aks": "patch", "eks": "extended", "gke": "stable"}


def small(cloud: str) -> dict[str, Any]:
    """One pool, and nothing that has a default."""
    pools = {"general": {"intent": "general", "machine": MACHINES[cloud]["general"], "min": 1, "max": 3}}
    return made({"provider": cloud, **SETTINGS[cloud], "nodePools": pools})


def full(cloud: str) -> dict[str, Any]:
    """General, memory and GPU pools, a private endpoint, encryption, identities, tags; protected."""
    pools = {
        "general": {"intent": "general", "machine": MACHINES[cloud]["general"], "min": 1, "max": 6, "zones": ZONES[cloud], "labels": {"team": "ml"}},
        "memory-large": {
            "intent": "memory", "requirements": {"cpu": 8, "memory": "60Gi"}, "max": 2, "autoscale": False, "zones": ZONES[cloud], "disk": "200Gi",
            "taints": [{"key": "dedicated", "value": "spark", "effect": "NoExecute"}],
        },
        "gpu-spot": {"intent": "gpu", "machine": MACHINES[cloud]["gpu"], "min": 0, "max": 4, "spot": True, "disk": "500Gi"},
    }  # fmt: skip
    return made(
        {
            "provider": cloud, **SETTINGS[cloud], "version": "1.33", "nodePools": pools, "privateEndpoint": True,
            "storage": {"bucket": BUCKETS[cloud], "serviceAccounts": ["ml/mlx", "ml-batch/mlx"]}, "encryptionKey": KEYS[cloud],
            "diskEncryptionKey": DISK_KEYS[cloud],
            "upgradeChannel": CHANNELS[cloud], "tags": {"team": "ml", "cost-center": "42"}, "protect": True,
            **({"aks": {**OWN["aks"]["aks"], "subnet": None}} if cloud == "aks" else {}),
        }
    )  # fmt: skip


def existing_parts(cloud: str) -> dict[str, Any]:
    """The full cluster in the network and with the roles that are there already."""
    obj = full(cloud)
    return made({**obj["spec"], **deepcopy(OWN[cloud])})


def made(spec: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({"apiVersion": "mlx/v1", "kind": "Cluster", "metadata": {"name": "main"}, "spec": spec}))
