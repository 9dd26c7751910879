"""``mlx export``: a model version as files that run without us."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mlx_cli.options import HERE, Env, Folder, Format


def command(
    model: Annotated[str, typer.Argument(help="A Model: its champion, or the version after an @: delay@3, delay@champion.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write: new, empty, or an earlier export, which is replaced.")],
    format: Annotated[Literal["onnx"], typer.Option("--format", help="What to write.")] = "onnx",
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Write a model as ONNX with a README of its inputs and outputs, an example and the sha256 of each file."""
    from dataclasses import asdict, replace

    from mlx_cli.output import note, result, result_json
    from mlx_cli.session import object_named, opened, refuse_on_cluster
    from mlx_pipelines.exporting import export_version, read_asked

    workspace = opened(folder, env, needs_specs=False)
    asked = read_asked(model)
    asked = replace(asked, model=object_named(workspace, asked.model, ("Model",)).id.split("/")[1])
    elsewhere = f"promote it to an environment on this machine and export it there: mlx promote --from {workspace.name} --to ENVIRONMENT --only {asked.model}"
    refuse_on_cluster(workspace, f"the versions of model {asked.model!r} are in its storage, which this verb does not read", hint=elsewhere)
    version, exported = export_version(workspace.root, workspace.layout.home, asked, to)
    if output == "json":
        ports = {"inputs": [asdict(port) for port in exported.inputs], "outputs": [asdict(port) for port in exported.outputs]}
        about = {"model": asked.model, "version": version.version, "fingerprint": version.fingerprint, "format": format}
        result_json({**about, "folder": str(to), "digest": exported.digest, **ports})
    else:
        result(f"{asked.model} version {version.version} is in {to}: model.onnx, README.md, example.json, SHA256SUMS")
        note("README.md says what goes in and what comes out, with a program that runs it")
    return 0
