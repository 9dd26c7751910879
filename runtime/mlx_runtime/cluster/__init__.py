"""What Jobs on a cluster run: ``python -m mlx_runtime.cluster VERB /mlx/object.json``.

The work is the laptop's own (mlx_runtime.prepare, mlx_runtime.batch, mlx_runtime.monitor), in a scratch workspace. What it reads is fetched from the
environment's storage before, and what it makes is sent there after. A folder is in the storage once its manifest.json is:

    STORAGE/datasets/NAME/CONTENT_DIGEST/            data.parquet, rejected.parquet, manifest.json
    STORAGE/datasets/NAME/definitions/DIGEST.json    what a definition came to last (``Prepared``)
    STORAGE/datasets/NAME/current.json               the latest of them
    STORAGE/joined/KIND.NAME/CONTENT_DIGEST/         data.parquet, manifest.json: rows with their features
    STORAGE/predictions/NAME/RUN_DIGEST/             predictions.parquet, rejected.parquet, manifest.json
    STORAGE/predictions/NAME/latest.json             the latest run
    STORAGE/predictions/NAME/log/YYYY-MM-DDTHH/      what an endpoint that is watched has answered; each replica writes parts of its own
    STORAGE/monitors/NAME/latest.json                what a monitor found last; reports/MOMENT.json before
    STORAGE/workspaces/ENVIRONMENT/current.zip       the workspace's own files, which an apply leaves
"""
