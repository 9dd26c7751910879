"""Everything that the page shows, as one JSON value: the graph with its status, versions, endpoints, data, updates. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mlx_cli.addressed import addressed
from mlx_cli.render.outcome import COLOURS
from mlx_cli.session import opened
from mlx_cli.ui.graph_layout import HEIGHT, WIDTH, lay_out
from mlx_pipelines.registry_reads import run_metrics, versions
from mlx_runtime.prepare.folder import read_manifest
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_stacks.apply import lock_holders
from mlx_stacks.errors import UserError
from mlx_stacks.status import ObjectStatus, status
from mlx_stacks.workspace import Workspace, open_host

UPDATES = 20
STATES = {"green": "well", "yellow": "wait", "dim": "none"}
"""The colours of the terminal as the page's classes; what has no row is bad."""


def snapshot(root: Path, environment: str | None) -> dict[str, Any]:
    """The workspace as it is now; where it cannot be read at all, what stands in the way."""
    try:
        workspace = opened(root, environment, needs_specs=False)
    except UserError as error:
        return {"error": "\n".join([str(error), *(f"{one.file}:{one.line}: {one.message}" for one in error.diagnostics)]), "at": time.time()}
    found = {item.id: replace(item, detail=addressed(item.detail)) for item in status(workspace)}
    return {
        "at": time.time(),
        "project": workspace.project,
        "environment": workspace.name,
        "in_progress": [f"an update by {holder} is in progress" for holder in lock_holders(workspace)],
        "problems": [f"{one.file}:{one.line}:{one.column}: {one.message}" for one in workspace.warnings if one.severity == "error"],
        "graph": graph(workspace, found),
        "models": [model(workspace, item) for item in found.values() if item.id.startswith("Model/")],
        "endpoints": [endpoint(workspace, item) for item in found.values() if is_endpoint(workspace, item.id)],
        "datasets": [dataset(workspace, item) for item in found.values() if item.id.startswith("Dataset/")],
        "updates": [asdict(update) for update in open_host(workspace).history()[:UPDATES]],
    }


def state_of(word: str) -> str:
    """``well``, ``wait``, ``none`` or ``bad``."""
    return STATES.get(COLOURS.get(word.split("(")[0], "red"), "bad")


def graph(workspace: Workspace, found: Mapping[str, ObjectStatus]) -> dict[str, Any]:
    """Boxes and lines with their places; what is applied and no longer declared stands alone."""
    references: dict[str, Sequence[str]] = {node.id: node.references for node in workspace.graph.objects if node.id in found}
    references |= {id: () for id in found if id not in references}
    drawing = lay_out(references)
    nodes = [{**node(workspace, found[id]), "x": box.x, "y": box.y} for id, box in drawing.boxes.items()]
    edges = [[one, id] for id, needed in references.items() for one in needed if one in references]
    return {"nodes": nodes, "edges": edges, "width": drawing.width, "height": drawing.height, "box": [WIDTH, HEIGHT]}


def node(workspace: Workspace, item: ObjectStatus) -> dict[str, Any]:
    """One object with what `mlx status` says, and where it is written."""
    kind, name = item.id.split("/")
    declared = workspace.graph.get(item.id)
    place = f"{declared.place.file.path}:{declared.place.line}" if declared else ""
    description = (declared.object.metadata.description or "") if declared else ""
    return {
        "id": item.id, "kind": kind, "name": name, "status": item.status, "state": state_of(item.status), "detail": item.detail, "place": place,
        "description": description,
    }  # fmt: skip


def model(workspace: Workspace, item: ObjectStatus) -> dict[str, Any]:
    """All registered versions, the oldest first, with their metrics; and what was tried for the last one."""
    name, home = item.id.split("/")[1], workspace.layout.home
    metrics = run_metrics(workspace.root, home, name)
    registered = [
        {"version": one.version, "created": one.created, "aliases": list(one.aliases), "fingerprint": one.fingerprint, "metrics": metrics.get(one.run_id, {})}
        for one in versions(workspace.root, home, name)
    ]
    declared = workspace.graph.get(item.id)
    told = [gate.metric for gate in declared.object.spec.success] if declared and isinstance(declared.object, Model) else []
    return {
        "name": name, "status": item.status, "state": state_of(item.status), "detail": item.detail, "versions": registered, "told": told,
        "leaderboard": item.fields.get("leaderboard"),
    }  # fmt: skip


def is_endpoint(workspace: Workspace, id: str) -> bool:
    """Whether it answers requests."""
    declared = workspace.graph.get(id)
    return declared is not None and isinstance(declared.object, Inference) and declared.object.spec.mode == "realtime"


def endpoint(workspace: Workspace, item: ObjectStatus) -> dict[str, Any]:
    """Where it listens and what it serves."""
    shown = {key: item.fields.get(key, "") for key in ("url", "version", "model")}
    return {"name": item.id.split("/")[1], "status": item.status, "state": state_of(item.status), "detail": item.detail, **shown}


def dataset(workspace: Workspace, item: ObjectStatus) -> dict[str, Any]:
    """Rows, and what each check found when they were prepared."""
    path = str(item.fields.get("path", ""))
    manifest = (read_manifest((workspace.root / path).parent) if path else None) or {}
    checks = [{"name": one["name"], "severity": one["severity"], "passed": one["passed"], "message": one["message"]} for one in manifest.get("checks", ())]
    shown = {key: item.fields.get(key, 0) for key in ("rows", "rejected")}
    return {
        "name": item.id.split("/")[1], "status": item.status, "state": state_of(item.status), "detail": item.detail, **shown,
        "digest": item.fields.get("digest", ""), "checks": checks, "profile": bool(manifest),
    }  # fmt: skip
