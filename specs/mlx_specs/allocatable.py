"""What pods can use of a machine: its size without what kernel, kubelet and the cloud's daemons keep.

A provider and a ``Machine`` enter, an ``Amount`` leaves: an estimate that is meant to be a little low, so that what it says
fits does fit. On a cluster that is there the nodes say it themselves.
"""

from typing import assert_never

from mlx_specs.capacity import GI, MI, Amount
from mlx_specs.machines import Cloud, Machine

DAEMONS = Amount(cpu=300, memory=512 * MI)
"""What network, storage, log and device daemons ask for on each node: about 300m on AKS and GKE, less on EKS."""
PODS = 110
"""The most pods on a node that AKS and GKE node pools are made with: AKS keeps 20 MB for each, so pools must be made with this."""
EVICTION = 100 * MI
"""The kubelet evicts below it, on all three clouds."""
UNSEEN = 0.075
"""The share of a machine's memory that its kernel never shows: Karpenter's default for AWS and Azure (vmMemoryOverheadPercent)."""


def allocatable(provider: Cloud, machine: Machine) -> Amount:
    """CPU, memory and GPUs that pods can ask for on one node of this machine.

    Sources: https://learn.microsoft.com/azure/aks/node-resource-reservations (1.29 and later),
    https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes with the kernel's part of cluster-autoscaler
    cloudprovider/gce/reserved.go, https://github.com/awslabs/amazon-eks-ami (kubelet's reserved resources).
    """
    size = Amount(machine.cpu * 1000, machine.memory, machine.gpus)
    return size.minus(_reserved(provider, machine)).minus(Amount(memory=EVICTION)).minus(DAEMONS)


def max_pods(provider: Cloud, machine: Machine) -> int:
    """The most pods on a node; on EKS managed node groups cap what the machine's network allows at 110, or 250 from 30 cores.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html
    """
    if provider != "eks":
        return PODS
    cap = 110 if machine.cpu < 30 else 250
    return min(machine.pods or cap, cap)


def _reserved(provider: Cloud, machine: Machine) -> Amount:
    match provider:
        case "aks":
            kept = min(max_pods("aks", machine) * 20_000_000 + 50_000_000, machine.memory // 4)
            return Amount(_tiers(machine.cpu, AKS_CPU), kept + int(machine.memory * UNSEEN))
        case "eks":
            kept = (255 + 11 * max_pods("eks", machine)) * MI
            return Amount(_tiers(machine.cpu, CPU), kept + int(machine.memory * UNSEEN))
        case "gke":
            kernel = machine.memory // 64 + 80 * MI
            return Amount(_tiers(machine.cpu, CPU), _tiers(machine.memory, GKE_MEMORY) + kernel)
        case _:
            assert_never(provider)


Tiers = tuple[tuple[float, float], ...]
"""Up to this much of the whole, and the share of it that is kept."""
END = float("inf")
CPU: Tiers = ((1, 60), (2, 10), (4, 5), (END, 2.5))
"""Thousandths kept of each core, by GKE and EKS."""
AKS_CPU: Tiers = ((1, 60), (2, 40), (4, 20), (END, 10))
GKE_MEMORY: Tiers = ((4 * GI, 0.25), (8 * GI, 0.2), (16 * GI, 0.1), (128 * GI, 0.06), (END, 0.02))


def _tiers(whole: float, tiers: Tiers) -> int:
    kept, below = 0.0, 0.0
    for end, share in tiers:
        kept += max(0.0, min(whole, end) - below) * share
        below = end
    return round(kept)
