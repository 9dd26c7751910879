"""The reference pipeline for rows and columns: ingest, validate, split, train, evaluate, package, gate, register.

One pipeline among equals: it takes what ``contract.Offered`` has under these names, and so does any user's.
"""

# KFP's decorator keeps the function's signature, though a call in a pipeline leaves outputs out and returns a task.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false

from kfp import dsl

from mlx_pipelines.steps.evaluate import evaluate as evaluate_step
from mlx_pipelines.steps.gate import gate as gate_step
from mlx_pipelines.steps.ingest import ingest as ingest_step
from mlx_pipelines.steps.package import package as package_step
from mlx_pipelines.steps.register import register as register_step
from mlx_pipelines.steps.split import split as split_step
from mlx_pipelines.steps.train import train as train_step
from mlx_pipelines.steps.validate import validate as validate_step


@dsl.pipeline(name="tabular", description="Ingest, validate, split, train, evaluate, package, gate, register.")
def pipeline(
    data: str,
    data_digest: str,
    target: str,
    features: str,
    event_time: str,
    task: str,
    split: str,
    algorithm: str,
    parameters: str,
    candidates: str,
    search: str,
    seed: int,
    success: str,
    package: str,
    model: str,
    fingerprint: str,
    code_digest: str,
    home: str,
    artifact_folder: str,
    run_folder: str,
    about: str,
) -> None:
    """The gate comes after packaging: it judges the bytes that are served."""
    rows = ingest_step(data=data).outputs["rows"]
    validated = validate_step(rows=rows, target=target, features=features, task=task, event_time=event_time, split=split)
    divided = split_step(rows=rows, how=split, event_time=event_time, seed=seed).after(validated)
    training, held_out = divided.outputs["training"], divided.outputs["held_out"]
    fitted = train_step(
        rows=training, target=target, features=features, task=task, algorithm=algorithm, parameters=parameters, seed=seed, candidates=candidates,
        search=search, success=success, split=split, event_time=event_time, run_folder=run_folder,
    ).outputs["estimator"]  # fmt: skip
    measured = evaluate_step(held_out=held_out, estimator=fitted, target=target, features=features, task=task, success=success, seed=seed)
    packaged = package_step(
        estimator=fitted, held_out=held_out, report=measured.outputs["report"], target=target, features=features, task=task, model=model,
        fingerprint=fingerprint, format=package, artifact_folder=artifact_folder, run_folder=run_folder,
    ).outputs["packaged"]  # fmt: skip
    judged = gate_step(packaged=packaged, model=model, fingerprint=fingerprint, success=success, home=home, run_folder=run_folder)
    register_step(
        packaged=packaged, model=model, fingerprint=fingerprint, home=home, run_folder=run_folder, algorithm=algorithm, parameters=parameters, seed=seed,
        task=task, target=target, features=features, split=split, package=package, data_digest=data_digest, code_digest=code_digest, about=about,
    ).after(judged)  # fmt: skip
