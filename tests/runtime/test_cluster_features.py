"""Features at request time on a cluster: the rendered Job fills a real store, the rendered endpoint answers as the laptop's does.

Commands, arguments and environments are the rendered ones, as processes; buckets and stores are real servers.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow
import pyarrow.parquet as parquet
import pytest
import yaml
from built_tools import NoTool
from made_cluster import LIMIT, PACKAGES, Program, Server, of_kind, place, program
from made_features import DEFINITIONS, LATEST, STORE, MadeStore, bookings, late_model, request, sent
from made_flights import Packaged, ask
from made_storage import Bucket, Buckets
from online_servers import PASSWORD, SERVERS, OnlineServer, hanging
from redis import Redis

from mlx_components.kubernetes.feature_store import Registered, feature_store_objects
from mlx_components.kubernetes.inference import LookedUp, endpoint_objects
from mlx_components.kubernetes.place import Manifest
from mlx_features.online import OnlineReader
from mlx_features.online_settings import VARIABLE, online_settings
from mlx_features.repository import feast_name, project
from mlx_pipelines.code_bundle import packed_functions
from mlx_runtime.cluster.datasets import Prepared, content_key, definition_key, write_prepared
from mlx_runtime.cluster.run import KILLED
from mlx_runtime.cluster.storage import open_storage, sha256
from mlx_runtime.server.lifecycle import Running
from mlx_runtime.server.remote_features import STORES
from mlx_specs.base import Compute, KubernetesSecret, Metadata
from mlx_specs.feature_resources import FeatureDefinitions, FeatureLookup
from mlx_specs.feature_store import FeatureStore, FeatureStoreSpec, Materialization, OnlineStore
from mlx_specs.inference import Inference, InferenceSpec
from mlx_specs.resources import Version

NAME, INFER = "late-api", "/v2/models/late-api/infer"
SECRET = KubernetesSecret(name="features", key="store")
REQUESTS = 1000


@dataclass(frozen=True)
class Cluster:
    """An environment's storage with prepared rows, an online store, and the scratch of pods."""

    bucket: Bucket
    online: OnlineServer
    folder: Path
    workspace: Path
    store: MadeStore
    name: str = STORE

    @property
    def secrets(self) -> dict[tuple[str, str], str]:
        return {(SECRET.name, SECRET.key): self.online.settings}

    def lay(self, name: str, file: Path, content: str) -> None:
        """Rows as `prepare` leaves them."""
        storage, made = open_storage(self.bucket.url), self.folder / f"made-{name}-{content}"
        made.mkdir()
        shutil.copy(file, made / "data.parquet")
        facts = {"data.parquet": {"sha256": sha256(file), "size": file.stat().st_size}}
        (made / "manifest.json").write_text(json.dumps({"definition": {}, "files": facts}))
        storage.send_folder(made, content_key(name, content))
        write_prepared(storage, definition_key(name, f"definition-of-{name}"), Prepared(definition=f"definition-of-{name}", content_digest=content, rows=1))

    def lay_all(self) -> None:
        for name, data in self.store.sources.items():
            self.lay(name, self.workspace / data.path, "first")

    def materialization(self, definitions: FeatureDefinitions = DEFINITIONS, **settings: Any) -> tuple[Manifest, ...]:
        """What the feature store becomes."""
        online = OnlineStore(type=self.online.type, connection=SECRET)  # type: ignore[arg-type]
        store = FeatureStore(metadata=Metadata(name=self.name), spec=FeatureStoreSpec(online_store=online, materialization=Materialization(**settings)))
        read = {view.source for view in definitions.views}
        sources = {name: data.model_copy(update={"digest": f"definition-of-{name}"}) for name, data in self.store.sources.items() if name in read}
        return feature_store_objects(store, place(self.bucket.url), Registered(definitions, sources, self.code, "digest"))

    @property
    def code(self) -> str:
        return packed_functions(["plane_features:age"], self.workspace)

    def job(self, definitions: FeatureDefinitions = DEFINITIONS, **settings: Any) -> Program:
        return program(self.materialization(definitions, **settings), self.secrets)

    def materialize(self, definitions: FeatureDefinitions = DEFINITIONS, **settings: Any) -> list[str]:
        """Its log."""
        status, log = self.job(definitions, **settings).run(self.folder / "pod", self.bucket.variables)
        assert status == 0, log
        return log

    def endpoint(self, version: Version, lookup: FeatureLookup) -> tuple[Manifest, ...]:
        """What the endpoint becomes."""
        spec = InferenceSpec(mode="realtime", model="late@champion", features="delay-features", compute=Compute(cpu=1, memory="1Gi"))
        online = OnlineStore(type=self.online.type, connection=SECRET)  # type: ignore[arg-type]
        return endpoint_objects(Inference(metadata=Metadata(name=NAME), spec=spec), place(), version, LookedUp(lookup, online, self.code, awaited=True))

    def serve(self, model: Packaged, name: str = "home") -> Server:
        home = self.folder / name
        home.mkdir()
        version = Version(fingerprint="late", version="3", artifact="s3://models/late", artifact_digest=model.digest)
        lookup = self.store.lookup.model_copy(update={"path": "", "store": self.name, "project": project(self.name)})
        return Server(self.endpoint(version, lookup), model.folder, home, self.secrets)


@pytest.fixture(scope="module", params=["redis", "postgres"])
def online(request: pytest.FixtureRequest) -> Iterator[OnlineServer]:
    with ExitStack() as opened:
        try:
            server = opened.enter_context(SERVERS[request.param]())
        except NoTool as missing:
            pytest.skip(str(missing))
        yield server


@pytest.fixture(scope="module")
def cluster(online: OnlineServer, buckets: Buckets, store: MadeStore, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Filled once by the Job."""
    made = Cluster(buckets("s3"), online, tmp_path_factory.mktemp("cluster"), workspace, store)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.bucket.variables.items():
            patch.setenv(name, value)
        made.lay_all()
    made.materialize()
    return made


@pytest.fixture(autouse=True)
def _let_in(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.bucket.variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def model(store: MadeStore, pack: Callable[..., Packaged]) -> Packaged:
    return late_model(store, pack)


@pytest.fixture(scope="module")
def laptop(serve: Any, model: Packaged, workspace: Path, store: MadeStore) -> Running:
    """The same endpoint on this machine, over the SQLite file."""
    return serve(NAME, model.version("3", workspace), features=store.lookup)[1]


@pytest.fixture(scope="module")
def server(cluster: Cluster, model: Packaged) -> Iterator[Server]:
    made = cluster.serve(model)
    yield made.ready()
    made.end()


def test_a_thousand_requests_are_answered_as_on_the_laptop_byte_for_byte(server: Server, laptop: Running) -> None:
    rows = bookings(REQUESTS, seed=2)
    differing = []
    for row in range(REQUESTS):
        body = request(sent(rows.slice(row, 1)))
        here, there = ask(laptop.port, "POST", INFER, body), ask(server.port, "POST", INFER, body)
        if (here.status, here.body) != (there.status, there.body):
            differing.append((row, here.body, there.body))
    assert differing == []


def test_many_rows_in_one_request_and_what_they_ask_besides_are_the_same(server: Server, laptop: Running) -> None:
    details = [f"features.{view}.{what}" for view in ("forecast", "route-rate", "planes") for what in ("age", "status")]
    names = ["wind", "rain", "outlook", "gusts", "measured", "rate", "seats", "age", "is_old"]
    wanted = {"outputs": [{"name": name} for name in [*details, *(f"inputs.{name}" for name in names)]]}
    body = request(sent(bookings(REQUESTS, seed=3)), **wanted)
    here, there = ask(laptop.port, "POST", INFER, body), ask(server.port, "POST", INFER, body)
    assert here.status == 200
    assert there.body == here.body


REFUSED: list[dict[str, list[Any]]] = [{"hour": [9]}, {"origin": [1]}, {"late": ["true"]}]


@pytest.mark.parametrize("rows", REFUSED, ids=["no keys", "a number for a key", "a column that nobody reads"])
def test_what_cannot_be_completed_is_refused_as_on_the_laptop(server: Server, laptop: Running, rows: dict[str, list[Any]]) -> None:
    body = request(rows)
    here, there = ask(laptop.port, "POST", INFER, body), ask(server.port, "POST", INFER, body)
    assert (there.status, there.body) == (400, here.body)


def test_the_metadata_are_the_laptops(server: Server, laptop: Running) -> None:
    here, there = ask(laptop.port, "GET", f"/v2/models/{NAME}").json, ask(server.port, "GET", f"/v2/models/{NAME}").json
    assert {name: there[name] for name in ("inputs", "outputs")} == {name: here[name] for name in ("inputs", "outputs")}


def test_the_job_says_how_it_goes_and_run_again_it_comes_to_the_same(cluster: Cluster) -> None:
    url = cluster.bucket.url
    fetching = [f"fetching {url}/datasets/{name}/first" for name in sorted(cluster.store.sources)]
    views = ["forecast: 2 keys, up to 2013-06-10 12:00", "route-rate: 11 keys, up to 2013-06-10 12:00", "planes: 20 keys, up to 2012-11-22 12:00"]
    assert cluster.materialize() == [
        *fetching,
        "starting Feast",
        "registered 3 feature views, 1 on-demand view, 1 feature service",
        *views,
        f"{url}/features/{STORE}/registry.db is what Feast's servers read",
    ]


def test_the_password_stands_in_no_manifest_log_or_file(cluster: Cluster, model: Packaged) -> None:
    version = Version(fingerprint="late", version="3", artifact="s3://models/late", artifact_digest=model.digest)
    texts = [json.dumps([*cluster.materialization(schedule="0 3 * * *"), *cluster.endpoint(version, cluster.store.lookup)]), *cluster.materialize()]
    files = [path.read_bytes() for path in cluster.bucket.data.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [text for text in texts if PASSWORD in text] + [data for data in files if PASSWORD.encode() in data] == []


READS = """
import json, sys
from datetime import datetime
sys.modules["torch"] = None
from feast import FeatureStore
store = FeatureStore(repo_path=".")
rows = [{"origin": "LGA", "dest": "LAX", "tail": 2**60 + 1}, {"origin": "XXX", "dest": "BOS", "tail": 7}]
names = ["forecast:gusts", "forecast:outlook", "route_rate:rate", "planes:built"]
found = store.get_online_features(features=names, entity_rows=rows).to_dict()
paths = sorted({source.path for source in store.list_data_sources() if hasattr(source, "path")})
json.dump([{name: found[name] for name in sorted(found)}, paths], sys.stdout)
"""


def test_feasts_own_servers_read_the_same_registry_and_store(cluster: Cluster, tmp_path: Path) -> None:
    """As the operator's object has it: the registry in the storage, Feast's own class, the Secret's settings."""
    registry = {"registry_type": "file", "path": f"{cluster.bucket.url}/features/{STORE}/registry.db"}
    online = {"type": cluster.online.type, **yaml.safe_load(cluster.online.settings)}
    config = {"project": "air_travel", "provider": "local", "registry": registry, "online_store": online, "entity_key_serialization_version": 3}
    (tmp_path / "feature_store.yaml").write_text(yaml.safe_dump(config))
    variables = {**os.environ, **cluster.bucket.variables, "PYTHONPATH": PACKAGES}
    done = subprocess.run([sys.executable, "-c", READS], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    found, paths = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "built": [1980 + (2**60 + 1) % 30, None], "dest": ["LAX", "BOS"], "gusts": [30, None], "origin": ["LGA", "XXX"], "outlook": ["fair 30", None],
        "rate": [pytest.approx(0.22), None], "tail": [2**60 + 1, 7],
    }  # fmt: skip
    assert paths == sorted(f"{cluster.bucket.url}/datasets/{name}/first/data.parquet" for name in cluster.store.sources)


ROW = {"origin": ["JFK"], "dest": ["LAX"], "tail": [2**60 + 1], "departs": ["2013-06-10T13:00:00Z"], "booked": ["2013-06-01T00:00:00"], "hour": [9]}


def test_while_the_store_is_away_answers_say_so_and_afterwards_they_are_as_before(cluster: Cluster, model: Packaged, server: Server) -> None:
    before = ask(server.port, "POST", INFER, request(ROW))
    whole = ask(server.port, "GET", f"/v2/models/{NAME}").json["parameters"]["example"]
    away = f"the online store ({cluster.online.type.capitalize()}) does not answer: "
    cluster.online.end()
    late = cluster.serve(model, "late")
    try:
        for one in (server, late):
            one.await_status("/v2/health/ready", 503)
            assert one.status("/v2/health/live") == 200
        while (said := ask(late.port, "GET", "/v2/health/ready").json["error"]) == "the model is being loaded":
            assert late.process.poll() is None
        assert said.startswith(away)
        reply = ask(server.port, "POST", INFER, request(ROW))
        assert (reply.status, reply.json["error"].startswith(away), PASSWORD in reply.json["error"]) == (503, True, False)
        assert ask(server.port, "POST", f"/v1/models/{NAME}:predict", {"instances": whole}).status == 200
    finally:
        cluster.online.start()
    assert ask(late.ready().port, "POST", INFER, request(ROW)).body == before.body
    assert ask(server.ready().port, "POST", INFER, request(ROW)).body == before.body
    metrics = ask(server.port, "GET", "/metrics").body.decode().splitlines()
    assert f'mlx_requests_total{{endpoint="{NAME}",version="3",code="503"}} 1' in metrics
    late.end()


def test_a_store_that_takes_connections_and_never_answers_is_told_in_time(cluster: Cluster, server: Server) -> None:
    cluster.online.end()
    try:
        with closing(hanging(cluster.online.port)):
            reply = ask(server.port, "POST", INFER, request(ROW))
            assert server.status("/v2/health/live") == 200
    finally:
        cluster.online.start()
    assert (reply.status, reply.json["error"].partition(":")[0]) == (503, f"the online store ({cluster.online.type.capitalize()}) does not answer")
    server.ready()


PLANES = FeatureDefinitions(views=[view for view in DEFINITIONS.views if view.name == "planes"])
Plane = tuple[int, int, int | None, int | None]


@pytest.fixture
def other(cluster: Cluster, buckets: Buckets, tmp_path: Path) -> Cluster:
    """Another feature store in the same server; the first one's name ends like its own."""
    return replace(cluster, bucket=buckets("s3"), folder=tmp_path, name="travel")


def lay_planes(cluster: Cluster, content: str, *rows: Plane) -> None:
    """Rows of a plane, the days since the first, its making and its seats."""
    first, moments = LATEST - timedelta(days=300), pyarrow.timestamp("us", tz="UTC")
    tails, days, built, seats = zip(*rows, strict=True)
    columns = {"tail": tails, "built": built, "seats": seats}
    table = pyarrow.table({name: pyarrow.array(values, pyarrow.int64()) for name, values in columns.items()})
    file = cluster.folder / f"{content}.parquet"
    parquet.write_table(table.append_column("at", pyarrow.array([first + timedelta(days=day) for day in days], moments)), file)
    cluster.lay("planes", file, content)


def planes_of(cluster: Cluster, tails: Sequence[int]) -> list[tuple[Any, ...]]:
    """What an endpoint would read; the reason where there is no row."""
    lookup = FeatureLookup(store=cluster.name, path="", project=project(cluster.name), definitions=PLANES)
    reader = OnlineReader(lookup, STORES[cluster.online.type](online_settings({VARIABLE: cluster.online.settings}) or {}))
    found = reader.read({"tail": tails})
    rows = zip(found.values["built"], found.values["seats"], found.missing["planes"], strict=True)
    return [(built, seats) if not reason else (reason,) for built, seats, reason in rows]


def test_a_full_materialisation_leaves_what_the_source_has_and_nothing_of_others_goes(other: Cluster, server: Server) -> None:
    before = ask(server.port, "POST", INFER, request(sent(bookings(50, seed=4)))).body
    lay_planes(other, "one", (1, 0, 1990, 100), (1, 1, 1991, None), (2, 1, 1992, 200), (3, 2, 1993, 300))
    other.materialize(PLANES)
    assert planes_of(other, [1, 2, 3, 4]) == [(1991, 150), (1992, 200), (1993, 300), ("no row",)]
    lay_planes(other, "two", (1, 1, 1995, 101), (2, 0, 1996, 201), (4, 0, None, 400))
    other.materialize(PLANES)
    assert planes_of(other, [1, 2, 3, 4]) == [(1995, 101), (1996, 201), ("no row",), (None, 400)]
    assert ask(server.port, "POST", INFER, request(sent(bookings(50, seed=4)))).body == before


def test_an_incremental_one_adds_what_is_newer_and_a_feature_of_another_type_is_made_anew(other: Cluster) -> None:
    lay_planes(other, "three", (1, 0, 1990, 100), (2, 1, 1991, 200))
    other.materialize(PLANES)
    lay_planes(other, "four", (1, 2, 1992, 101), (2, 1, 1991, 200))
    assert "planes: 2 keys, up to 2012-08-16 12:00" in other.materialize(PLANES, mode="incremental")
    assert planes_of(other, [1, 2]) == [(1992, 101), (1991, 200)]
    (planes,) = PLANES.views
    retyped = [field.model_copy(update={"type": "float"}) if field.name == "built" else field for field in planes.features]
    other.materialize(FeatureDefinitions(views=[planes.model_copy(update={"features": retyped})]), mode="incremental")
    other.materialize(PLANES, mode="incremental")
    assert planes_of(other, [1, 2]) == [(1992, 101), (1991, 200)]


def test_a_job_that_is_told_to_end_ends_and_the_next_one_completes_it(other: Cluster) -> None:
    lay_planes(other, "five", (1, 0, 1990, 100))
    process = other.job(PLANES).start(other.folder / "pod", other.bucket.variables)
    assert process.stderr is not None
    while process.stderr.readline().strip() != "starting Feast":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    assert process.returncode == KILLED
    other.materialize(PLANES)
    assert planes_of(other, [1]) == [(1990, 100)]


@contextmanager
def writing(online: OnlineServer, view: str) -> Iterator[Callable[[], bool]]:
    """Somebody else writes this view; yields whether anybody waits for it."""
    settings = online_settings({VARIABLE: online.settings}) or {}
    if online.type == "redis":
        with Redis(port=online.port, db=1, password=PASSWORD) as client, client.lock(f"mlx:writing:{view}", timeout=LIMIT):
            tries = "cmdstat_set"
            before = client.info("commandstats")[tries]["calls"]
            yield lambda: client.info("commandstats")[tries]["calls"] > before
        return
    with psycopg.connect(host="127.0.0.1", port=online.port, dbname="postgres", user=settings["user"], password=PASSWORD, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [view])
        yield lambda: connection.execute("select 1 from pg_locks where locktype = 'advisory' and not granted").fetchone() is not None


def test_two_that_write_one_view_take_turns(other: Cluster) -> None:
    lay_planes(other, "before", (1, 0, 1990, 100), (2, 0, 1990, 100))
    other.materialize(PLANES)
    lay_planes(other, "after", (1, 1, 1991, 101))
    with writing(other.online, f"{project(other.name)}_{feast_name('planes')}") as is_waited_for:
        process = other.job(PLANES).start(other.folder / "pod", other.bucket.variables)
        deadline = time.monotonic() + LIMIT
        while not is_waited_for():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        assert planes_of(other, [1, 2]) == [(1990, 100), (1990, 100)]
    _, log = process.communicate(timeout=LIMIT)
    assert (process.returncode, planes_of(other, [1, 2])) == (0, [(1991, 101), ("no row",)]), log


def test_an_endpoint_is_ready_when_everything_that_it_reads_has_been_materialised_once(cluster: Cluster, model: Packaged, tmp_path: Path) -> None:
    fresh = replace(cluster, folder=tmp_path, name="fresh")
    server = fresh.serve(model)

    def awaited() -> str:
        server.await_status("/v2/health/live", 200)
        while (said := ask(server.port, "GET", "/v2/health/ready").json["error"]) == "the model is being loaded":
            assert server.process.poll() is None
        return said

    assert awaited() == "not materialised yet: forecast, route-rate, planes; mlx status says how the Job goes that does it"
    fresh.materialize(PLANES)
    assert awaited() == "not materialised yet: forecast, route-rate; mlx status says how the Job goes that does it"
    (planes,) = PLANES.views
    fresh.materialize(FeatureDefinitions(views=[planes.model_copy(update={"features": planes.features[:1]})]))
    later = fresh.serve(model, "later")
    fresh.materialize()
    assert ask(server.ready().port, "POST", INFER, request(ROW)).status == 200
    assert ask(later.ready().port, "POST", INFER, request(ROW)).status == 200
    server.end()
    later.end()


def test_settings_that_are_none_are_said_without_them(other: Cluster, model: Packaged) -> None:
    lay_planes(other, "six", (1, 0, 1990, 100))
    told: list[list[str]] = []
    for settings in (f"- {PASSWORD}", other.online.settings.replace(PASSWORD, "falsch")):
        status, log = replace(other, online=replace(other.online, settings=settings)).job(PLANES).run(other.folder / "pod", other.bucket.variables)
        assert status == 1
        assert [line for line in log if PASSWORD in line or "falsch" in line] == []
        told.append([line for line in log if line.startswith(("error", "hint"))])
    assert told[0] == [
        "error: FeatureStore/travel: the settings of the online store are no YAML mapping",
        "hint: FeatureStore's onlineStore.connection names the Secret and its key: it holds lines such as `connection_string: HOST:6379`",
    ]
    assert told[1][0].startswith("error: FeatureStore/travel: Feast failed: ")
    server = replace(other, online=replace(other.online, settings=f"- {PASSWORD}")).serve(model)
    assert server.process.wait(LIMIT) == 1
    errors = [line.split(" ERROR ")[1] for line in server.end().splitlines() if " ERROR " in line]
    assert errors == [f"{told[0][0].removeprefix('error: FeatureStore/travel: ')}: {told[0][1].removeprefix('hint: ')}"]


def test_an_endpoints_clients_bring_neither_feast_nor_pandas() -> None:
    modules = "mlx_features.online_postgres, mlx_features.online_redis, mlx_runtime.server.remote_features"
    code = f"import sys, {modules}; print(sorted({{'feast', 'pandas', 'duckdb', 'google.protobuf'}} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout == "[]\n"


def test_it_runs_once_for_a_definition_and_by_its_schedule(cluster: Cluster) -> None:
    def kinds(**settings: Any) -> list[str]:
        return [one["kind"] for one in cluster.materialization(**settings)]

    always = ["ConfigMap", "FeatureStore"]
    assert kinds() == [*always, "ConfigMap", "Job"]
    assert kinds(schedule="0 3 * * *") == [*always, "ConfigMap", "Job", "CronJob"]
    assert kinds(schedule="0 3 * * *", trigger="manual") == [*always, "ConfigMap", "CronJob"]
    assert kinds(trigger="manual") == always
    named = {of_kind(cluster.materialization(definitions), "Job")["metadata"]["name"] for definitions in (DEFINITIONS, DEFINITIONS, PLANES)}
    assert len(named) == 2
