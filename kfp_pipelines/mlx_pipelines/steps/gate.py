"""Judges the packaged model: what will be served, not what was fitted."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(packaged: dsl.Input[dsl.Model], model: str, fingerprint: str, success: str, home: str, run_folder: str, verdict: dsl.Output[dsl.Artifact]) -> None:
    """Against the bars and against the champion of this moment. A model that fails is registered, too: as challenger."""
    import json
    import shutil
    import sys
    from dataclasses import asdict
    from pathlib import Path

    from mlx_pipelines.contract import VERDICT
    from mlx_pipelines.gate import judge_version
    from mlx_pipelines.registry_reads import find_version
    from mlx_specs.resources import Version

    candidate = Version(fingerprint=fingerprint, artifact=packaged.metadata["folder"], artifact_digest=packaged.metadata["digest"])
    judged = judge_version(home, model, candidate, find_version(Path(), home, model, "champion"), json.loads(success), Path())
    Path(verdict.path).write_text(json.dumps(asdict(judged), indent=2) + "\n")
    shutil.copyfile(verdict.path, Path(run_folder) / VERDICT)
    sys.stdout.write("\n".join(["passed" if judged.passed else "did not pass", *judged.reasons]) + "\n")
