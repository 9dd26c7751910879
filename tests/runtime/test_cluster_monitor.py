"""`monitor` in the Job of a CronJob: the rendered command and environment as a process, against a real S3 server; reports as on the laptop."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_cluster import of_kind, place, program
from made_flights import Packaged, flights
from made_scored import CONTENT, Cluster, laid, numbered
from made_storage import Buckets

from mlx_components.kubernetes.monitor import monitor_objects
from mlx_runtime.cluster.joined import joined_key
from mlx_runtime.cluster.storage import sha256
from mlx_runtime.monitor.look import judged
from mlx_runtime.monitor.report import MonitorReport, now
from mlx_runtime.monitor.rows import Rows
from mlx_runtime.monitor.windows import Window
from mlx_specs.base import Metadata
from mlx_specs.inference import Batch, Inference, InferenceSpec
from mlx_specs.monitor import Monitor, MonitorSpec
from mlx_specs.resources import Version
from mlx_specs.watched import Watched

Models = Callable[[str], Packaged]
NIGHTLY = Inference(metadata=Metadata(name="nightly"), spec=InferenceSpec(mode="batch", model="delay@champion", batch=Batch(input="flights")))
API = Inference(metadata=Metadata(name="nightly"), spec=InferenceSpec(mode="realtime", model="delay@champion"))


@pytest.fixture
def cluster(buckets: Buckets, models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    bucket = buckets("s3")
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    return laid(bucket, tmp_path, models("boosting"))


def monitor(**spec: Any) -> Monitor:
    written = {"inference": "nightly", "dataDrift": {}, "predictionDrift": {}, "schedule": "0 6 * * *", **spec}
    return Monitor(metadata=Metadata(name="watch"), spec=MonitorSpec.model_validate(written))


def looked(cluster: Cluster, inference: Inference, version: Version | None = None, **spec: Any) -> tuple[int, list[str]]:
    """The exit status and the log of one look."""
    manifests = monitor_objects(monitor(**spec), inference, place(cluster.bucket.url), version or cluster.version)
    return program(manifests).run(cluster.folder / "look", cluster.bucket.variables)


def report(cluster: Cluster) -> MonitorReport:
    return MonitorReport.model_validate_json((cluster.bucket.data / "monitors/watch/latest.json").read_bytes())


def late_flights(rows: int, seed: int = 9) -> pyarrow.Table:
    table = numbered(rows, seed)
    return table.set_column(table.column_names.index("hour"), "hour", pyarrow.array(np.full(rows, 23)))


def test_what_runs_is_a_cron_job_that_is_not_tried_again_where_it_alerts() -> None:
    manifests = monitor_objects(monitor(), NIGHTLY, place(), Version())
    assert [one["kind"] for one in manifests] == ["ConfigMap", "CronJob"]
    cron = of_kind(manifests, "CronJob")
    assert (cron["metadata"]["name"], cron["spec"]["schedule"]) == ("monitor-watch", "0 6 * * *")
    job = cron["spec"]["jobTemplate"]["spec"]
    final = {"action": "FailJob", "onExitCodes": {"containerName": "mlx", "operator": "In", "values": [4]}}
    assert (job["backoffLimit"], job["podFailurePolicy"], job["template"]["spec"]["restartPolicy"]) == (3, {"rules": [final]}, "Never")


def test_a_new_version_of_the_model_changes_what_an_endpoints_monitor_works_on_and_not_a_batchs() -> None:
    def configuration(inference: Inference, version: Version) -> dict[str, Any]:
        return of_kind(monitor_objects(monitor(), inference, place(), version), "ConfigMap")

    one, other = (Version(fingerprint=name, version="1", artifact="s3://a/b", artifact_digest="d") for name in ("one", "other"))
    assert configuration(API, one) != configuration(API, other)
    assert configuration(NIGHTLY, one) == configuration(NIGHTLY, other)


def test_the_latest_run_of_a_batch_is_judged_as_on_the_laptop(cluster: Cluster) -> None:
    rows = cluster.lay_rows(late_flights(500))
    assert cluster.run()[0] == 0
    code, log = looked(cluster, NIGHTLY)
    assert code == 0, log
    found = report(cluster)
    window = Window(found.window, cluster.version, cluster.packed.folder, Rows((rows,)), Rows((cluster.predictions(),)))
    here = judged(Watched(monitor="watch", spec=monitor().spec, mode="batch"), window, now())
    assert found == here.model_copy(update={"at": found.at})
    assert found.window == f"run {cluster.predictions().parent.name[:12]}"
    assert log[-1] == found.sentence
    assert found.sentence.startswith("drift in 4 of 8 columns in 500 rows by version 4: hour (psi ")
    kept = [json.loads(path.read_bytes()) for path in (cluster.bucket.data / "monitors/watch/reports").iterdir()]
    assert kept == [{**found.wire(), "verdict": "drifted", "sentence": found.sentence}]


def test_rows_with_features_that_were_joined_are_those_that_are_judged(cluster: Cluster) -> None:
    rows = cluster.lay_rows(numbered(200))
    assert cluster.run()[0] == 0
    joined = cluster.folder / "joined"
    joined.mkdir()
    parquet.write_table(late_flights(200), joined / "data.parquet")
    shutil.copy(rows.with_name("manifest.json"), joined / "manifest.json")
    facts = json.loads((joined / "manifest.json").read_bytes())
    facts["files"]["data.parquet"]["sha256"] = sha256(joined / "data.parquet")
    (joined / "manifest.json").write_text(json.dumps(facts))
    cluster.storage.send_folder(joined, joined_key("inference.nightly", CONTENT))
    assert looked(cluster, NIGHTLY)[0] == 0
    assert [one.column for one in report(cluster).data if one.drifted] == ["hour"]


def test_one_that_alerts_fails_with_a_status_of_its_own(cluster: Cluster) -> None:
    cluster.lay_rows(late_flights(500))
    assert cluster.run()[0] == 0
    code, log = looked(cluster, NIGHTLY, action="alert")
    assert (code, log) == (4, [report(cluster).sentence])
    assert looked(cluster, NIGHTLY, action="alert", dataDrift={"threshold": 99.0}, predictionDrift={"threshold": 99.0})[0] == 0


def test_before_the_first_run_nothing_is_judged_and_nothing_fails(cluster: Cluster) -> None:
    code, log = looked(cluster, NIGHTLY, action="alert")
    assert (code, log) == (0, ["insufficient rows: 0 of at least 100"])
    assert looked(cluster, API, Version())[0] == 0
    assert report(cluster).window == "no predictions yet"


def test_predictions_that_are_gone_are_named(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(200))
    assert cluster.run()[0] == 0
    path = cluster.predictions().relative_to(cluster.bucket.data)
    cluster.predictions().unlink()
    code, log = looked(cluster, NIGHTLY)
    assert code == 1
    assert log[-2] == f"error: Monitor/watch: {cluster.storage.where(str(path))} is not there, though latest.json names it"


def test_what_an_endpoint_has_answered_lately_is_fetched_and_judged(cluster: Cluster) -> None:
    moment = now()
    for minutes, part, table in ((1, "a", late_flights(150)), (2, "b", late_flights(150)), (60 * 30, "old", flights(400))):
        at = moment - timedelta(minutes=minutes)
        told = table.append_column("time", pyarrow.array([at] * table.num_rows, pyarrow.timestamp("us", tz="UTC")))
        told = told.append_column("model_fingerprint", pyarrow.array([cluster.packed.folder.name] * table.num_rows))
        parquet.write_table(told, cluster.folder / "part.parquet")
        cluster.storage.send(cluster.folder / "part.parquet", f"predictions/nightly/log/{at:%Y-%m-%dT%H}/{part}.parquet")
    code, log = looked(cluster, API, predictionDrift=None)
    assert code == 0, log
    found = report(cluster)
    assert (found.rows, found.version, [one.column for one in found.data if one.drifted]) == (300, "4", ["hour"])
