"""The user's own code in the workspace of models: a pipeline of one step, and an estimator that predicts what its process is."""

STEPS = '''
    """The steps of mlx in one process, so that a run is short; it prints what the process was given."""
    from kfp import dsl

    @dsl.component(base_image="python:3.11")
    def all_steps(
        data: str, target: str, features: str, event_time: str, task: str, split: str, algorithm: str, parameters: str, seed: int, success: str,
        package: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str, note: str,
    ):
        import json, os, resource, sys, tempfile
        from pathlib import Path
        from types import SimpleNamespace
        from mlx_pipelines.steps import evaluate, ingest, package as packaging, split as splitting, train, validate

        folder = Path(tempfile.mkdtemp())
        rows, training, held_out, estimator, metrics, report, packaged = (
            SimpleNamespace(path=str(folder / name), metadata={}, log_metric=lambda name, value: None)
            for name in ("rows", "training", "held_out", "estimator", "metrics", "report", "packaged")
        )
        given = {"note": note, "threads": os.environ.get("OMP_NUM_THREADS"), "memory": resource.getrlimit(resource.RLIMIT_DATA)[0]}
        sys.stdout.write("GIVEN " + json.dumps(given) + chr(10))
        columns = dict(target=target, features=features, task=task)
        ingest.ingest.python_func(data=data, rows=rows)
        validate.validate.python_func(rows=rows, event_time=event_time, split=split, **columns)
        splitting.split.python_func(rows=rows, how=split, event_time=event_time, seed=seed, training=training, held_out=held_out)
        train.train.python_func(rows=training, algorithm=algorithm, parameters=parameters, seed=seed, estimator=estimator, **columns)
        evaluate.evaluate.python_func(
            held_out=held_out, estimator=estimator, success=success, seed=seed, metrics=metrics, report=report, **columns,
        )
        packaging.package.python_func(
            estimator=estimator, held_out=held_out, report=report, model=model, fingerprint=fingerprint, format=package,
            artifact_folder=artifact_folder, run_folder=run_folder, packaged=packaged, **columns,
        )

    @dsl.pipeline(name="quick")
    def quick(
        data: str, target: str, features: str, event_time: str, task: str, split: str, algorithm: str, parameters: str, seed: int, success: str,
        package: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str, note: str = "first",
    ):
        all_steps(
            data=data, target=target, features=features, event_time=event_time, task=task, split=split, algorithm=algorithm, parameters=parameters,
            seed=seed, success=success, package=package, model=model, fingerprint=fingerprint, artifact_folder=artifact_folder, run_folder=run_folder, note=note,
        )

    @dsl.pipeline(name="other")
    def other(
        data: str, target: str, features: str, event_time: str, task: str, split: str, algorithm: str, parameters: str, seed: int, success: str,
        package: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str,
    ):
        all_steps(
            data=data, target=target, features=features, event_time=event_time, task=task, split=split, algorithm=algorithm, parameters=parameters,
            seed=seed, success=success, package=package, model=model, fingerprint=fingerprint, artifact_folder=artifact_folder, run_folder=run_folder,
            note="from the other entry",
        )
'''
ESTIMATORS = '''
    """An estimator whose predictions tell of the process that makes them: its threads, and a hundred for each Gi that it may use."""
    import os
    import resource

    import numpy
    from sklearn.base import BaseEstimator, RegressorMixin

    class Witness(RegressorMixin, BaseEstimator):
        def __init__(self, alpha=1.0):
            self.alpha = alpha

        def fit(self, frame, labels):
            self.fitted_ = True
            return self

        def predict(self, frame):
            limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
            gibibytes = 0 if limit == resource.RLIM_INFINITY else limit // 2**30
            return numpy.full(len(frame), float(os.environ.get("OMP_NUM_THREADS", "0")) + 100.0 * gibibytes)
'''
