"""Packages the fitted estimator for scoring."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def package(
    estimator: dsl.Input[dsl.Model],
    held_out: dsl.Input[dsl.Dataset],
    report: dsl.Input[dsl.Artifact],
    target: str,
    features: str,
    task: str,
    model: str,
    fingerprint: str,
    format: str,
    artifact_folder: str,
    run_folder: str,
    packaged: dsl.Output[dsl.Model],
) -> None:
    """ONNX where its predictions agree, else scikit-learn's own format; keeps what packaging and judging again will need."""
    import json
    import sys
    from pathlib import Path

    from mlx_pipelines.kept import keep, package_kept

    def report_line(line: str) -> None:
        sys.stdout.write(line + "\n")

    keep(Path(run_folder), Path(estimator.path), Path(held_out.path), Path(report.path))
    digest = package_kept(
        Path(run_folder), model=model, fingerprint=fingerprint, task=task, target=target, features=json.loads(features), format=format,
        folder=Path(artifact_folder), report=report_line,
    )  # fmt: skip
    Path(packaged.path).write_text(digest)
    packaged.metadata["folder"] = artifact_folder
    packaged.metadata["digest"] = digest
