"""What a stream becomes on a cluster: one application that never ends, whose name stays and whose configuration is named by what it says."""

from dataclasses import replace
from typing import Any

from made_cluster import DIGEST, of_kind, place

from mlx_components.kubernetes.stream import stream_objects
from mlx_specs.accounts import SPARK
from mlx_specs.base import Compute, Metadata
from mlx_specs.followed import FollowedStream
from mlx_specs.inference import Inference, InferenceSpec, Stream
from mlx_specs.resources import Version

VERSION = Version(fingerprint="f" * 64, version="7", artifact="s3://models/prod/models/delay/f", artifact_digest="d" * 64)
KAFKA = {"kubernetes": {"name": "kafka", "key": "properties"}}


def objects(version: Version = VERSION, compute: Compute | None = None, **settings: Any) -> Any:
    stream = Stream.model_validate({"source": "kafka://a:1/in", **settings})
    inference = Inference(metadata=Metadata(name="live"), spec=InferenceSpec(mode="stream", model="delay@champion", stream=stream, compute=compute))
    here = place()
    images = here.target.images.model_copy(update={"spark": DIGEST})
    return stream_objects(inference, stream, replace(here, target=here.target.model_copy(update={"images": images})), version, "booked")


def test_it_waits_for_its_first_version() -> None:
    assert objects(Version()) == ()


def test_it_runs_without_end_and_begins_again_whatever_ended_it() -> None:
    application = of_kind(objects(kafka=KAFKA), "SparkApplication")
    assert application["metadata"]["name"] == "stream-live"
    spec = application["spec"]
    assert spec["restartPolicy"] == {"type": "Always", "onFailureRetryInterval": 10, "onSubmissionFailureRetryInterval": 10}
    assert spec["sparkConf"] == {"spark.driver.maxResultSize": "0", "spark.executor.failuresValidityInterval": "1h"}
    assert (spec["arguments"], spec["driver"]["serviceAccount"], spec["executor"]["instances"]) == (["stream", "/mlx/object.json"], SPARK, 1)
    secret = {"name": "MLX_KAFKA", "valueFrom": {"secretKeyRef": {"name": "kafka", "key": "properties"}}}
    for role in ("driver", "executor"):
        (container,) = spec[role]["template"]["spec"]["containers"]
        assert secret in container["env"]
        assert (spec[role]["memory"], spec[role]["memoryOverhead"]) == ("1024m", "1024m")


def test_compute_is_that_of_the_driver_and_of_each_executor() -> None:
    spec = of_kind(objects(compute=Compute(cpu=4, memory="8Gi", nodes=3)), "SparkApplication")["spec"]
    assert [(spec[role]["cores"], spec[role]["memory"]) for role in ("driver", "executor")] == [(4, "4096m")] * 2
    assert spec["executor"]["instances"] == 3


def test_what_it_is_told_says_what_it_follows_and_from_where() -> None:
    told = FollowedStream.model_validate_json(of_kind(objects(columns=["flight"], watermark="1h"), "ConfigMap")["data"]["object.json"])
    assert told == FollowedStream(
        environment="prod", name="live", model="delay@champion", version=VERSION, source="kafka://a:1/in", columns=["flight"], event_time="booked",
        watermark=3600, interval=10, storage="s3://models/prod",
    )  # fmt: skip
    assert told.place == f"predictions/live/{told.digest}"
    assert told.below_sink == f"prod/live/{told.digest}"


def test_another_version_is_the_same_stream_in_the_same_application_and_another_source_another_stream() -> None:
    first, other = objects(), objects(VERSION.model_copy(update={"version": "8"}))
    names = [{item["kind"]: item["metadata"]["name"] for item in made} for made in (first, other)]
    assert names[0]["SparkApplication"] == names[1]["SparkApplication"]
    assert names[0]["ConfigMap"] != names[1]["ConfigMap"]
    others = [objects(source="kafka://a:1/out"), objects(start="latest"), objects(sink="s3://b")]
    followed = [of_kind(made, "SparkApplication")["metadata"]["annotations"]["mlx.dev/stream"] for made in (first, other, *others)]
    assert followed[0] == followed[1]
    assert len(set(followed)) == 4
