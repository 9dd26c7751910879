"""What a pipeline's steps run in on a cluster: ``python3 -m mlx_pipelines.cluster step [--all] -- COMMAND``.

A step is the same on a laptop and in a pod. On a laptop all steps stand in one workspace. Here each pod lays a workspace of its own
around its step: the code that came with the pipeline's version, the prepared rows, and what earlier steps of the run left in
``run_folder`` and ``artifact_folder``; afterwards what is new there is sent to the environment's storage:

    STORAGE/models/MODEL/FINGERPRINT/                 the packaged model, as an endpoint's storageUri names it
    STORAGE/runs/MODEL/FINGERPRINT/                   what the run kept: held-out rows, the estimator, plots; files.json names them
    STORAGE/runs/MODEL/DEFINITION/started/RUN.json    which rows this run learns from, settled by its first step

Nobody knows the rows' digest when a run is submitted, for their own Job may still be under way: digests of definitions stand in its
arguments, and become those of contents in the pod (``known``). The last step registers, judges and moves the alias (``complete``).
"""
