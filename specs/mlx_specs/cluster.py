"""Cluster: node pools and add-ons; a stack of its own.

What one field says is checked where the field stands. What a cloud needs or cannot do is a row of CLOUD_RULES or of the rules of
that cloud, so that nothing that is accepted here is ignored when the cluster is made.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from mlx_specs.base import Name, Object, Quantity, Strict
from mlx_specs.capacity import GI, number_of
from mlx_specs.state import State


class Requirements(Strict):
    """What a node must offer, when no machine type is named."""

    cpu: Annotated[int, Field(ge=1)] | None = Field(default=None, description="At least so many cores.")
    memory: Quantity | None = Field(default=None, description="At least so much memory.")
    gpu_model: str | None = Field(default=None, description="The GPU's model, such as A100.")
    gpu_count: Annotated[int, Field(ge=1)] | None = Field(default=None, description="GPUs in each node.")


class Taint(Strict):
    """A taint that keeps other workloads away."""

    key: str = Field(description="The taint's key.")
    value: str = Field(default="", description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(default="NoSchedule", description="The taint's effect.")


class NodePool(Strict):
    """Nodes of one kind."""

    intent: Literal["general", "memory", "gpu"] = Field(description="What the pool is for.")
    machine: str | None = Field(default=None, description="The cloud's machine type; or say `requirements`.")
    requirements: Requirements | None = Field(default=None, description="What a node must offer; the cheapest machine that does is taken.")
    min: Annotated[int, Field(ge=0)] = Field(default=0, description="The fewest nodes; zero lets the pool vanish when idle.")
    max: Annotated[int, Field(ge=1)] = Field(default=1, description="The most nodes.")
    autoscale: bool = Field(default=True, description="Let the cloud move the count between min and max; false: `max` nodes, always.")
    spot: bool = Field(default=False, description="Use spot capacity.")
    labels: dict[str, str] = Field(default_factory=dict, description="Node labels.")
    taints: list[Taint] = Field(default_factory=list[Taint], description="Node taints.")
    zones: list[str] = Field(
        default_factory=list, description="Availability zones: 1, 2, 3 on aks, names such as eu-west-1a on eks and europe-west1-b on gke; left out: all."
    )
    disk: Quantity | None = Field(default=None, description="The size of each node's disk, in whole GiB rounded up; left out: the cloud's own default.")

    @model_validator(mode="after")
    def _can_be_bought(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"'min' {self.min} is above 'max' {self.max}")
        if self.machine is not None and self.requirements is not None:
            raise ValueError("a node pool has 'machine' or 'requirements', not both")
        if not self.autoscale and "min" in self.model_fields_set and self.min != self.max:
            raise ValueError(f"'autoscale: false' keeps 'max' {self.max} nodes: leave 'min' out")
        return self


class StorageAccess(Strict):
    """A bucket that pods reach without keys: the cloud trusts their service accounts (workload identity)."""

    bucket: str = Field(
        description="The bucket or container, which stays when the cluster goes: azblob://CONTAINER on aks, s3://BUCKET on eks, gs://BUCKET on gke."
    )
    service_accounts: Annotated[list[str], Field(min_length=1)] = Field(description="The service accounts that may read and write it, as NAMESPACE/NAME.")

    @field_validator("service_accounts")
    @classmethod
    def _name_accounts(cls, accounts: list[str]) -> list[str]:
        for account in accounts:
            if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", account):
                raise ValueError(f"{account!r} is no service account: write NAMESPACE/NAME")
        return accounts


class AksSystemPool(Strict):
    """The nodes of AKS's own pods, beside the node pools: never spot, never none."""

    machine: str = Field(default="Standard_D4s_v5", description="The machine type; AKS does not change it in a cluster that is there.")
    min: Annotated[int, Field(ge=1)] = Field(default=1, description="The fewest nodes.")
    max: Annotated[int, Field(ge=1)] = Field(default=3, description="The most nodes.")
    zones: list[Literal["1", "2", "3"]] = Field(default_factory=list[Literal["1", "2", "3"]], description="Availability zones; left out: Azure chooses.")

    @field_validator("machine")
    @classmethod
    def _is_of_azure(cls, machine: str) -> str:
        if not re.fullmatch(r"Standard_\w+", machine):
            raise ValueError(f"{machine!r} is no machine type of aks: write one such as Standard_D4s_v5")
        return machine

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"'min' {self.min} is above 'max' {self.max}")
        return self


class Aks(Strict):
    """What only AKS is told."""

    resource_group: Annotated[str, Field(min_length=1)] = Field(description="The resource group, which is there already, that the cluster is made in.")
    subnet: str | None = Field(default=None, description="The resource ID of the nodes' subnet; left out: AKS makes a network of its own.")
    storage_account: str | None = Field(default=None, description="The resource ID of the storage account that has the container of `storage`.")
    key_vault: str | None = Field(
        default=None, description="The resource ID of the vault that has `encryptionKey`; the cluster is given the right to use its keys."
    )
    admin_groups: list[str] = Field(
        default_factory=list, description="Object IDs of the Entra ID groups that administer the cluster; others need an Azure role on it."
    )
    system: AksSystemPool = Field(default=AksSystemPool(), description="The nodes of AKS's own pods.")

    @model_validator(mode="after")
    def _ids_are_of_their_kind(self) -> Self:
        for name, value, kind in (
            ("subnet", self.subnet, "Microsoft.Network/virtualNetworks/NETWORK/subnets/SUBNET"),
            ("storageAccount", self.storage_account, "Microsoft.Storage/storageAccounts/NAME"),
            ("keyVault", self.key_vault, "Microsoft.KeyVault/vaults/NAME"),
        ):
            form = f"/subscriptions/ID/resourceGroups/GROUP/providers/{kind}"
            if value is not None and not re.fullmatch(re.sub(r"\b[A-Z]+\b", "[^/]+", form), value, re.IGNORECASE):
                raise ValueError(f"'{name}' is no resource ID of its kind: write {form}")
        return self


class Eks(Strict):
    """What only EKS is told."""

    subnets: dict[str, str] = Field(
        default_factory=dict, description="Subnet IDs by availability zone, in two zones or more; left out: a VPC is made, with private nodes behind NAT."
    )
    zones: list[str] = Field(
        default_factory=list, description="The availability zones of the VPC that is made; left out: the region's a and b, and those of the node pools."
    )
    role_arn: str | None = Field(default=None, description="The control plane's IAM role, which may use `encryptionKey`; left out: one is made.")
    node_role_arn: str | None = Field(default=None, description="The nodes' IAM role; left out: one is made.")
    admin_roles: list[str] = Field(default_factory=list, description="ARNs of the IAM roles or users that administer the cluster, beside who made it.")

    @model_validator(mode="after")
    def _has_two_zones(self) -> Self:
        if self.subnets and self.zones:
            raise ValueError("'zones' are those of a VPC that is made: with 'subnets', leave 'zones' out")
        for name, found in (("subnets", len(self.subnets)), ("zones", len(set(self.zones)))):
            if found == 1:
                raise ValueError(f"'{name}' has one zone, and EKS needs two: add one more")
        for name, arn in (("roleArn", self.role_arn), ("nodeRoleArn", self.node_role_arn), *(("adminRoles", arn) for arn in self.admin_roles)):
            if arn is not None and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/.+", arn):
                raise ValueError(f"'{name}' is no IAM ARN: write arn:aws:iam::ACCOUNT:role/NAME, with an account of twelve digits")
        return self


class Gke(Strict):
    """What only GKE is told."""

    project: Annotated[str, Field(min_length=1)] = Field(description="The Google Cloud project that the cluster is made in.")
    network: str | None = Field(default=None, description="The VPC network, with Cloud NAT for its private nodes; left out: one is made.")
    subnetwork: str | None = Field(default=None, description="The subnetwork of `network` in the cluster's region.")
    node_service_account: str | None = Field(
        default=None, description="The e-mail of the nodes' service account; left out: one is made that may do what nodes must."
    )

    @model_validator(mode="after")
    def _network_has_a_subnetwork(self) -> Self:
        if (self.network is None) != (self.subnetwork is None):
            raise ValueError("'network' and 'subnetwork' go together: write both, or neither for a network that is made")
        return self


AddOn = Literal["cert-manager", "gateway-api", "kserve", "kfp", "feast", "spark", "trainer", "kueue", "mlflow", "nvidia", "notebooks"]
UpgradeChannel = Literal["none", "patch", "stable", "regular", "rapid", "standard", "extended"]
UPGRADE_CHANNELS: Mapping[str, tuple[UpgradeChannel, ...]] = {
    "aks": ("none", "patch", "stable", "rapid"),
    "eks": ("standard", "extended"),
    "gke": ("none", "stable", "regular", "rapid", "extended"),
}
"""What each cloud knows."""


class ClusterSpec(Strict):
    """What a cluster is made of."""

    provider: Literal["aks", "eks", "gke", "existing"] = Field(description="Who runs the cluster; existing: it is there, by a kubeconfig context.")
    region: str | None = Field(default=None, description="The cloud's region.")
    version: str | None = Field(default=None, description="The Kubernetes version, such as 1.33; left out: the cloud's own default.")
    context: str | None = Field(default=None, description="For existing: the kubeconfig context.")
    kubeconfig: str | None = Field(default=None, description="For existing: the kubeconfig file; left out: KUBECONFIG, else ~/.kube/config.")
    aks: Aks | None = Field(default=None, description="What only AKS is told.")
    eks: Eks | None = Field(default=None, description="What only EKS is told.")
    gke: Gke | None = Field(default=None, description="What only GKE is told.")
    node_pools: dict[Name, NodePool] = Field(default_factory=dict, description="Node pools by name.")
    add_ons: dict[AddOn, Literal["verify", "install"]] = Field(
        default_factory=dict[AddOn, Literal["verify", "install"]],
        description="What the cluster's environments need; verify: it is there and ready, else nothing is applied; install: from checked manifests.",
    )
    private_endpoint: bool = Field(default=False, description="Keep the API server off the public internet.")
    storage: StorageAccess | None = Field(default=None, description="The bucket that pods reach without keys.")
    encryption_key: str | None = Field(
        default=None, description="Your own key that encrypts the cluster's Secrets: of Key Vault on aks, KMS on eks, Cloud KMS on gke."
    )
    disk_encryption_key: str | None = Field(
        default=None,
        description="Your own key that encrypts the disks of nodes: a disk encryption set on aks, a key of KMS on eks, of Cloud KMS on gke.",
    )
    upgrade_channel: UpgradeChannel | None = Field(
        default=None,
        description="How the cloud upgrades: none, patch, stable or rapid on aks (none if left out); standard or extended support on eks (standard); "
        "none, stable, regular, rapid or extended on gke (regular).",
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of the cloud's resources; labels on gke.")
    state: State = Field(default=State(), description="Where the cluster's own state is kept: a Cluster is a stack of its own.")
    protect: bool = Field(default=False, description="Refuse to destroy this cluster.")
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="How many resources are worked on at the same time.")

    @model_validator(mode="after")
    def _the_provider_can_do_it(self) -> Self:
        rules = (has_a_context,) if self.provider == "existing" else (*CLOUD_RULES, *RULES_OF[self.provider])
        problems = "; ".join(problem for rule in rules for problem in rule(self))
        refused = {**({"": problems} if problems else {}), **fields_of_another_provider(self)}
        if refused:
            raise _at_their_places(refused)
        return self


class Cluster(Object):
    """A cluster: a stack of its own that owns what is cluster-scoped."""

    kind: Literal["Cluster"] = Field(default="Cluster", description="A cluster.")
    spec: ClusterSpec = Field(description="Provider, node pools, add-ons.")


Rule = Callable[[ClusterSpec], Iterator[str]]

SCHEMES: Mapping[str, str] = {"aks": "azblob", "eks": "s3", "gke": "gs"}
REGIONS: Mapping[str, str] = {"aks": "westeurope", "eks": "eu-west-1", "gke": "europe-west1"}
OF_CLOUDS = ("region", "version", "aks", "eks", "gke", "privateEndpoint", "storage", "encryptionKey", "diskEncryptionKey", "upgradeChannel", "tags")


def _at_their_places(refused: Mapping[str, str]) -> ValidationError:
    """What is wrong by the field that it is told at; under no name what is wrong with all of the spec."""
    errors = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{error}", {"error": message}), loc=(field,) if field else (), input=None)
        for field, message in refused.items()
    ]
    return ValidationError.from_exception_data("ClusterSpec", errors)


def fields_of_another_provider(spec: ClusterSpec) -> dict[str, str]:
    """An existing cluster is found and not made, and each cloud has settings of its own: what belongs to another provider is refused."""
    said = spec.model_dump(by_alias=True, exclude_defaults=True)
    if spec.provider == "existing":
        return {name: f"'{name}' makes a cluster on a cloud, and provider existing finds one: leave it out" for name in OF_CLOUDS if name in said}
    owners = {"context": "existing", "kubeconfig": "existing", "aks": "aks", "eks": "eks", "gke": "gke"}
    others = [(name, owner) for name, owner in owners.items() if owner != spec.provider and getattr(spec, name) is not None]
    return {name: f"'{name}' belongs to provider {owner}, not to {spec.provider}: leave it out" for name, owner in others}


def has_a_context(spec: ClusterSpec) -> Iterator[str]:
    """A cluster that is there is found by a context."""
    if spec.context is None:
        yield "provider existing needs 'context'"


def has_a_region(spec: ClusterSpec) -> Iterator[str]:
    """A cloud's cluster stands in a region."""
    if spec.region is None:
        yield f"provider {spec.provider} needs 'region', such as {REGIONS[spec.provider]}"
    elif not re.fullmatch(r"[a-z][a-z0-9-]*", spec.region):
        yield f"'{spec.region}' is no region: write it as the cloud does, such as {REGIONS[spec.provider]}"


def has_a_known_channel(spec: ClusterSpec) -> Iterator[str]:
    """Each cloud has upgrade channels of its own."""
    known = UPGRADE_CHANNELS[spec.provider]
    if spec.upgrade_channel is not None and spec.upgrade_channel not in known:
        yield f"upgradeChannel '{spec.upgrade_channel}' is not known to {spec.provider}: write {', '.join(known[:-1])} or {known[-1]}"


def has_a_version_of_its_form(spec: ClusterSpec) -> Iterator[str]:
    """A version has the form that the cloud takes."""
    form, words = {
        "aks": (r"1\.\d+(\.\d+)?", "1.33 or 1.33.4"),
        "eks": (r"1\.\d+", "1.33 (EKS chooses the patch)"),
        "gke": (r"1\.\d+(\.\d+(-gke\.\d+)?)?", "1.33 or 1.33.4-gke.1172000"),
    }[spec.provider]
    if spec.version is not None and not re.fullmatch(form, spec.version):
        yield f"'{spec.version}' is no version of {spec.provider}: write {words}"


def has_a_bucket_of_its_own_cloud(spec: ClusterSpec) -> Iterator[str]:
    """A cloud's identities open the buckets of that cloud."""
    scheme = SCHEMES[spec.provider]
    if spec.storage is not None and not re.fullmatch(rf"{scheme}://[a-z0-9][a-z0-9._-]{{1,61}}[a-z0-9]", spec.storage.bucket):
        yield f"storage.bucket '{spec.storage.bucket}' is none that {spec.provider} gives access to: write {scheme}://NAME"


def has_a_key_of_its_own_cloud(spec: ClusterSpec) -> Iterator[str]:
    """A cloud encrypts with its own kind of key."""
    form, words = KEYS[spec.provider]
    if spec.encryption_key is not None and not re.fullmatch(form, spec.encryption_key):
        yield f"'encryptionKey' is no key of {spec.provider}: write {words}"
    form, words = DISK_ENCRYPTION_SET if spec.provider == "aks" else KEYS[spec.provider]
    if spec.disk_encryption_key is not None and not re.fullmatch(form, spec.disk_encryption_key):
        yield f"'diskEncryptionKey' is no key of {spec.provider} for disks: write {words}"


KEYS: Mapping[str, tuple[str, str]] = {
    "aks": (r"https://[a-z0-9-]+\.vault\.[a-z.]+/keys/[A-Za-z0-9-]+/[0-9a-f]{32}", "https://VAULT.vault.azure.net/keys/NAME/VERSION"),
    "eks": (r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", "arn:aws:kms:REGION:ACCOUNT:key/ID"),
    "gke": (r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+", "projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/NAME"),
}
"""What a key is written like, for a pattern and for people."""
DISK_ENCRYPTION_SET = (
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/diskEncryptionSets/[^/]+",
    "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Compute/diskEncryptionSets/NAME",
)


def has_tags_that_the_cloud_takes(spec: ClusterSpec) -> Iterator[str]:
    """A cloud restricts keys and values of tags."""
    limit, key_form, value_form, words = {
        "aks": (50, r"[^<>%&\\?/]{1,512}", r".{0,256}", "a key without < > % & \\ ? /"),
        "eks": (50, r"(?!aws:)[\w .:/=+@-]{1,128}", r"[\w .:/=+@-]{0,256}", "letters, digits, spaces and _.:/=+-@, and no key that begins with aws:"),
        "gke": (64, r"[a-z][a-z0-9_-]{0,62}", r"[a-z0-9_-]{0,63}", "lower case letters, digits, _ and -, at most 63, the key beginning with a letter"),
    }[spec.provider]
    if len(spec.tags) > limit:
        yield f"{len(spec.tags)} tags are more than the {limit} that {spec.provider} takes"
    for key, value in sorted(spec.tags.items()):
        if not re.fullmatch(key_form, key) or not re.fullmatch(value_form, value):
            yield f"{spec.provider} takes no tag '{key}: {value}': write {words}"


def has_labels_that_nodes_take(spec: ClusterSpec) -> Iterator[str]:
    """Labels and taints are well formed, and none is one that Kubernetes, the cloud or mlx writes itself."""
    for name, pool in spec.node_pools.items():
        for kind, items in (("label", pool.labels), ("taint", {taint.key: taint.value for taint in pool.taints})):
            for key, value in items.items():
                if not re.fullmatch(LABEL_KEY, key) or not re.fullmatch(LABEL_VALUE, value):
                    yield f"node pool '{name}': '{key}: {value}' is no {kind} of Kubernetes: write letters, digits, '-', '_' and '.', at most 63"
                elif kind == "label" and re.match(OWNED_LABEL, key):
                    yield f"node pool '{name}': the label '{key}' is not yours to set: choose another prefix"


LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
LABEL_KEY = r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
OWNED_LABEL = r"([a-z0-9.-]+\.)?(kubernetes\.io|k8s\.io|mlx\.dev|kubernetes\.azure\.com|eks\.amazonaws\.com|cloud\.google\.com)/"


def has_disks_of_a_size(spec: ClusterSpec) -> Iterator[str]:
    """A node's disk holds its system and its images."""
    for name, pool in spec.node_pools.items():
        if pool.disk is not None and not SMALLEST_DISK <= gibibytes(pool.disk) <= LARGEST_DISK:
            yield f"node pool '{name}': a disk of '{pool.disk}' cannot be had: write {SMALLEST_DISK}Gi to {LARGEST_DISK}Gi"


SMALLEST_DISK, LARGEST_DISK = 30, 2048
"""GiB: AKS's limits for a system disk, within those of the other two."""


def gibibytes(quantity: str) -> int:
    """``"100Gi"`` -> 100, ``"100G"`` -> 94: whole GiB that hold so many bytes. The argument has been validated as a Quantity."""
    return ceil(number_of(quantity) / GI)


CLOUD_RULES: tuple[Rule, ...] = (
    has_a_region,
    has_a_known_channel,
    has_a_version_of_its_form,
    has_a_bucket_of_its_own_cloud,
    has_a_key_of_its_own_cloud,
    has_tags_that_the_cloud_takes,
    has_labels_that_nodes_take,
    has_disks_of_a_size,
)


def aks_has_what_it_needs(spec: ClusterSpec) -> Iterator[str]:
    """AKS stands in a resource group; what identities are given rights on is named by its resource ID."""
    if spec.aks is None:
        yield "provider aks needs a resource group: write aks: {resourceGroup: NAME}"
        return
    for field, given, setting, value in (
        ("storage", spec.storage, "storageAccount", spec.aks.storage_account),
        ("encryptionKey", spec.encryption_key, "keyVault", spec.aks.key_vault),
    ):
        if given is not None and value is None:
            yield f"'{field}' on aks needs 'aks.{setting}': write its resource ID"
        if given is None and value is not None:
            yield f"'aks.{setting}' has no effect without '{field}': write that, too, or leave it out"


def aks_moves_the_version_or_keeps_it(spec: ClusterSpec) -> Iterator[str]:
    """A channel that moves versions would be undone by a version that is written."""
    if spec.version is not None and spec.upgrade_channel in ("stable", "rapid"):
        yield f"upgradeChannel '{spec.upgrade_channel}' moves the version by itself: leave 'version' out, or write upgradeChannel: patch"
    if spec.version is not None and spec.upgrade_channel == "patch" and spec.version.count(".") > 1:
        yield f"upgradeChannel 'patch' moves the patch by itself: write version: '{spec.version.rpartition('.')[0]}'"


def aks_trusts_twenty_accounts(spec: ClusterSpec) -> Iterator[str]:
    """Azure allows an identity twenty federated credentials."""
    if spec.storage is not None and len(set(spec.storage.service_accounts)) > 20:
        yield "'storage.serviceAccounts' names more than the 20 that an identity of Azure may trust: let workloads share some"


def aks_numbers_zones(spec: ClusterSpec) -> Iterator[str]:
    """Azure's zones are numbers."""
    yield from _wrong_zones(spec, "[123]", "1, 2 or 3")


def eks_has_zones_with_subnets(spec: ClusterSpec) -> Iterator[str]:
    """A pool's zones are zones of the cluster's network, which has two or more."""
    yield from _wrong_zones(spec, f"{re.escape(spec.region or '')}[a-f]", f"a zone of '{spec.region}'")
    settings = spec.eks or Eks()
    known, asked = [*settings.subnets, *settings.zones], {zone for pool in spec.node_pools.values() for zone in pool.zones}
    if known and asked - {*known}:
        yield f"zone '{min(asked - {*known})}' is not in eks.{'subnets' if settings.subnets else 'zones'}: add it, or leave it out of the node pools"


def eks_keeps_a_node(spec: ClusterSpec) -> Iterator[str]:
    """DNS and the autoscaler are pods on EKS: without a node they can go to, no node ever comes."""
    pools = [pool for pool in spec.node_pools.values() if pool.intent != "gpu" and not pool.taints]
    if not any(pool.min > 0 or not pool.autoscale for pool in pools):
        yield "EKS runs DNS and the autoscaler on nodes of yours: write min: 1 at a node pool of intent general or memory that has no taints"


def gke_has_a_project(spec: ClusterSpec) -> Iterator[str]:
    """GKE stands in a project."""
    if spec.gke is None:
        yield "provider gke needs a project: write gke: {project: ID}"


def gke_names_zones(spec: ClusterSpec) -> Iterator[str]:
    """A pool's zones are zones of the region."""
    yield from _wrong_zones(spec, f"{re.escape(spec.region or '')}-[a-z]", f"a zone of '{spec.region}'")


def gke_counts_nodes_by_zone(spec: ClusterSpec) -> Iterator[str]:
    """Without its autoscaler GKE counts nodes in each zone."""
    for name, pool in spec.node_pools.items():
        if not pool.autoscale and (not pool.zones or pool.max % len(set(pool.zones))):
            yield f"node pool '{name}': 'autoscale: false' on gke needs 'zones' that share 'max' {pool.max} evenly, for GKE counts nodes by zone"


def gke_keeps_a_whole_version(spec: ClusterSpec) -> Iterator[str]:
    """Without a channel nothing but the spec says which version nodes have."""
    if spec.upgrade_channel == "none" and "-gke." not in (spec.version or ""):
        yield "upgradeChannel 'none' on gke needs the whole 'version', such as 1.33.4-gke.1172000"


def _wrong_zones(spec: ClusterSpec, form: str, words: str) -> Iterator[str]:
    named = {f"node pool '{name}'": pool.zones for name, pool in spec.node_pools.items()}
    if spec.provider == "eks" and spec.eks is not None:
        named["eks"] = [*spec.eks.subnets, *spec.eks.zones]
    for where, zones in named.items():
        for zone in zones:
            if not re.fullmatch(form, zone):
                yield f"{where}: '{zone}' is no zone of {spec.provider} here: write {words}"


RULES_OF: Mapping[str, tuple[Rule, ...]] = {
    "aks": (aks_has_what_it_needs, aks_moves_the_version_or_keeps_it, aks_trusts_twenty_accounts, aks_numbers_zones),
    "eks": (eks_has_zones_with_subnets, eks_keeps_a_node),
    "gke": (gke_has_a_project, gke_names_zones, gke_counts_nodes_by_zone, gke_keeps_a_whole_version),
}
