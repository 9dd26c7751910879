"""``mlx render``: plain manifests, for who deploys by pull."""

from pathlib import Path
from typing import Annotated

import typer

from mlx_cli.options import HERE, Env, Folder, Format, OfCluster


def command(
    out: Annotated[Path, typer.Option("--out", help="The folder to write. What mlx wrote there earlier is replaced; nothing else is touched.")],
    folder: Folder = HERE,
    env: Env = None,
    cluster: OfCluster = None,
    output: Format = "text",
) -> int:
    """Write an environment on a cluster, or a cluster, as manifests with a kustomization, for Argo CD, Flux or kubectl.

    One file an object of the specs; compiled pipelines beside them; a README says what no manifest does. Nothing is applied.
    """
    from mlx_cli.output import note, result, result_json
    from mlx_cli.session import opened
    from mlx_specs.diagnostics import plural
    from mlx_stacks.rendered import rendered
    from mlx_stacks.rendered_folder import write_folder

    workspace = opened(folder, env, cluster=cluster, warn=True, output=output)
    made = rendered(workspace)
    removed = write_folder(made.files, out)
    if output == "json":
        result_json({"folder": str(out), "files": sorted(made.files), "removed": list(removed), "notes": list(made.notes)})
    else:
        gone = f", {plural(len(removed), 'earlier one')} removed" if removed else ""
        result(f"{plural(len(made.files), 'file')} in {out}{gone}")
        for line in made.notes:
            note(f"  note  {line}")
    return 0
