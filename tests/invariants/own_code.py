"""The user's own code in the workspace of models: a pipeline of one step, and an estimator that predicts what its process is."""

STEPS = '''
    """What the steps of mlx do in one step, so that a run is short; it prints what its process was given."""
    from kfp import dsl

    @dsl.component(base_image="python:3.11")
    def all_steps(
        data: str, target: str, features: str, event_time: str, task: str, split: str, algorithm: str, parameters: str, candidates: str,
        search: str, seed: int, success: str, package: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str, note: str,
    ):
        import json, os, pickle, resource, sys, tempfile
        from pathlib import Path
        from mlx_pipelines.algorithm import make_estimator
        from mlx_pipelines.kept import keep, package_kept
        from mlx_pipelines.rows import feature_frame, hold_out, labels, problems, read, write
        from mlx_specs.model import Split

        given = {"note": note, "gpus": os.environ.get("MLX_GPUS")}
        given |= {"threads": os.environ.get("OMP_NUM_THREADS"), "memory": resource.getrlimit(resource.RLIMIT_DATA)[0]}
        sys.stdout.write("GIVEN " + json.dumps(given) + chr(10))
        rows, names, how, run = read(data), json.loads(features), Split.model_validate_json(split), Path(run_folder)
        assert problems(rows, target=target, features=names, task=task, event_time=event_time, split=how) == []
        training, held_out = hold_out(rows, how, event_time, seed)
        algorithm, values = algorithm, json.loads(parameters)
        if json.loads(candidates):
            from mlx_pipelines.choose import Problem, choose, read_choice
            among = read_choice(algorithm, values, json.loads(candidates), json.loads(search), json.loads(success)[0]["metric"])
            best = choose(training, Problem(target, names, task, seed, how, event_time), among, run, print).best
            algorithm, values = best.algorithm, best.parameters
        frame = feature_frame(training, names)
        fitted = make_estimator(algorithm, values, seed, task, frame).fit(frame, labels(training, target, task))
        folder = Path(tempfile.mkdtemp())
        criteria = [criterion["metric"] for criterion in json.loads(success)]
        if criteria:
            from mlx_pipelines.evaluation import measure
            measure(fitted, held_out, target, names, task, criteria, seed, folder)
        else:
            (folder / "plots").mkdir()
            (folder / "metrics.json").write_text("{}")
        (folder / "estimator").write_bytes(pickle.dumps(fitted))
        write(held_out, folder / "held_out")
        keep(run, folder / "estimator", folder / "held_out", folder)
        package_kept(
            run, model=model, fingerprint=fingerprint, task=task, target=target, features=names, format=package, folder=Path(artifact_folder),
            report=lambda line: None,
        )

    @dsl.pipeline(name="quick")
    def quick(
        data: str, target: str, features: str, event_time: str, task: str, split: str, algorithm: str, parameters: str, candidates: str,
        search: str, seed: int, success: str, package: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str, note: str = "first",
    ):
        all_steps(
            data=data, target=target, features=features, event_time=event_time, task=task, split=split, algorithm=algorithm, parameters=parameters,
            candidates=candidates, search=search,
            seed=seed, success=success, package=package, model=model, fingerprint=fingerprint, artifact_folder=artifact_folder, run_folder=run_folder,
            note=note,
        )

    @dsl.pipeline(name="other")
    def other(
        data: str, target: str, features: str, event_time: str, task: str, split: str, algorithm: str, parameters: str, candidates: str,
        search: str, seed: int, success: str, package: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str,
    ):
        all_steps(
            data=data, target=target, features=features, event_time=event_time, task=task, split=split, algorithm=algorithm, parameters=parameters,
            candidates=candidates, search=search,
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
