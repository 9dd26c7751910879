"""A stand-in for the API server of Kubeflow Pipelines: a mock, for the real one cannot be had here.

It keeps experiments, runs and recurring runs in memory, finds pipelines and their versions among the objects of the real API server, and
refuses what `kfp_server_api`, KFP's own client, has no field or no value for. As one for several users it asks the real API server whose
token it is given, and whether that account may do what it asks in the namespace.
"""

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from control_plane import ControlPlane
from kfp_server_api import models
from kfp_server_api.api_client import ApiClient

Item = dict[str, Any]


class Refused(Exception):
    """A request that KFP would not take."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def pipelines_api(plane: ControlPlane) -> Iterator["PipelinesApi"]:
    """Runs while the block does."""
    api = PipelinesApi(plane)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}"))

        def _answer(self, body: Item | None) -> None:
            try:
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                code, answer = 200, api.handle(self.command, self.path, body, token)
            except Refused as refused:
                code, answer = refused.code, {"code": refused.code, "message": str(refused)}
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            api.log.append(self.requestline)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class PipelinesApi:
    """What it knows; ``runs`` and ``recurring`` in the order in which they were made."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.url = ""
        self.multi_user = True
        self.experiments: list[Item] = []
        self.runs: list[Item] = []
        self.recurring: list[Item] = []
        self.log: list[str] = []
        self._turn = threading.Lock()

    @property
    def live(self) -> list[Item]:
        """The recurring runs that start runs."""
        return [item for item in self.recurring if item["status"] == "ENABLED"]

    def handle(self, method: str, path: str, body: Item | None, token: str) -> Item:
        parts = urlsplit(path)
        if parts.path == "/apis/v2beta1/healthz":
            return {"multi_user": self.multi_user, "pipeline_store": "kubernetes"}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for wanted, pattern, right, act in ROUTES:
            matched = re.fullmatch(f"/apis/v2beta1/{pattern}", parts.path)
            if matched and wanted == method:
                with self._turn:
                    self._admit(token, right, self._namespace(right[1], matched.groups(), body, query))
                    return act(self, *matched.groups(), **({"body": body} if body is not None else {"query": query}))
        raise Refused(404, f"no such path: {method} {path}")

    def _namespace(self, resource: str, ids: Sequence[str], body: Item | None, query: Mapping[str, str]) -> str:
        """Of what is asked about: it says so itself, or its experiment does."""
        if ids and resource in ("runs", "jobs"):
            listed, key = {"runs": (self.runs, "run_id"), "jobs": (self.recurring, "recurring_run_id")}[resource]
            return one(self.experiments, "experiment_id", one(listed, key, ids[0])["experiment_id"])["namespace"]
        if body is not None and "experiment_id" in body:
            return one(self.experiments, "experiment_id", body["experiment_id"])["namespace"]
        if resource == "pipelines" and "namespace" not in query:
            return next((item["namespace"] for item in self._objects("pipelines", "") if item["uid"] == ids[0]), "")
        namespace = (body or query).get("namespace", "")
        if not namespace:
            raise Refused(400, "Resource cannot have an empty namespace and experiment id in multi-user mode")
        return namespace

    def _admit(self, token: str, right: tuple[str, str], namespace: str) -> None:
        reviewed = self._reviewed("authentication", "tokenreviews", {"token": token, "audiences": ["pipelines.kubeflow.org"]})
        if not reviewed.get("authenticated"):
            raise Refused(401, "Review.Status.Authenticated is false")
        user, (verb, resource) = reviewed["user"]["username"], right
        asked = {"namespace": namespace, "verb": verb, "group": "pipelines.kubeflow.org", "version": "v1beta1", "resource": resource}
        if not self._reviewed("authorization", "subjectaccessreviews", {"user": user, "resourceAttributes": asked})["allowed"]:
            raise Refused(403, f"User '{user}' is not authorized to {verb} {resource} in {namespace}")

    def _reviewed(self, group: str, plural: str, spec: Item) -> Item:
        return self.plane.request("POST", f"/apis/{group}.k8s.io/v1/{plural}", {"spec": spec})["status"]

    def list_experiments(self, query: Mapping[str, str]) -> Item:
        return {"experiments": chosen([item for item in self.experiments if item["namespace"] == query["namespace"]], query)}

    def create_experiment(self, body: Item) -> Item:
        checked("V2beta1Experiment", body)
        if any((item["namespace"], item["display_name"]) == (body["namespace"], body["display_name"]) for item in self.experiments):
            raise Refused(409, f"The name {body['display_name']} already exists. Please specify a new name")
        made = {**body, "experiment_id": str(uuid.uuid4())}
        self.experiments.append(made)
        return made

    def list_runs(self, query: Mapping[str, str]) -> Item:
        return {"runs": chosen(self._of(self.runs, query), query)}

    def create_run(self, body: Item) -> Item:
        checked("V2beta1Run", body)
        made = {**body, "run_id": str(uuid.uuid4()), "state": "PENDING", "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.runs.append(made)
        return made

    def get_run(self, id: str, query: Mapping[str, str]) -> Item:
        return one(self.runs, "run_id", id)

    def list_recurring(self, query: Mapping[str, str]) -> Item:
        return {"recurringRuns": chosen(self._of(self.recurring, query), query)}

    def _of(self, items: list[Item], query: Mapping[str, str]) -> list[Item]:
        """Those of the namespace."""
        mine = {item["experiment_id"] for item in self.experiments if item["namespace"] == query["namespace"]}
        return [item for item in items if item["experiment_id"] in mine]

    def create_recurring(self, body: Item) -> Item:
        checked("V2beta1RecurringRun", body)
        made = {**body, "recurring_run_id": str(uuid.uuid4()), "status": "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"}
        self.recurring.append(made)
        return made

    def get_recurring(self, id: str, query: Mapping[str, str]) -> Item:
        return one(self.recurring, "recurring_run_id", id)

    def disable(self, id: str, body: Item) -> Item:
        one(self.recurring, "recurring_run_id", id)["status"] = "DISABLED"
        return {}

    def pipeline(self, name: str, query: Mapping[str, str]) -> Item:
        found = self._objects("pipelines", query["namespace"])
        return {"pipeline_id": one(found, "name", name)["uid"], "display_name": name, "namespace": query["namespace"]}

    def versions(self, id: str, query: Mapping[str, str]) -> Item:
        (owner,) = [item for item in self._objects("pipelines", "") if item["uid"] == id]
        found = [item for item in self._objects("pipelineversions", owner["namespace"]) if item["spec"]["pipelineName"] == owner["name"]]
        return {"pipeline_versions": [{"pipeline_id": id, "pipeline_version_id": item["uid"], "name": item["name"]} for item in found]}

    def _objects(self, plural: str, namespace: str) -> list[Item]:
        space = f"namespaces/{namespace}/" if namespace else ""
        items = self.plane.request("GET", f"/apis/pipelines.kubeflow.org/v2beta1/{space}{plural}")["items"]
        return [{**item["metadata"], "spec": item["spec"]} for item in items]


Route = tuple[str, str, tuple[str, str], Callable[..., Item]]
"""Method, path, the verb and the resource that Kubernetes is asked about, and what is done. KFP calls recurring runs jobs."""
ROUTES: tuple[Route, ...] = (
    ("GET", "experiments", ("list", "experiments"), PipelinesApi.list_experiments),
    ("POST", "experiments", ("create", "experiments"), PipelinesApi.create_experiment),
    ("GET", "runs", ("list", "runs"), PipelinesApi.list_runs),
    ("POST", "runs", ("create", "runs"), PipelinesApi.create_run),
    ("GET", "runs/([^/]+)", ("get", "runs"), PipelinesApi.get_run),
    ("GET", "recurringruns", ("list", "jobs"), PipelinesApi.list_recurring),
    ("POST", "recurringruns", ("create", "jobs"), PipelinesApi.create_recurring),
    ("GET", "recurringruns/([^/:]+)", ("get", "jobs"), PipelinesApi.get_recurring),
    ("POST", "recurringruns/([^/:]+):disable", ("disable", "jobs"), PipelinesApi.disable),
    ("GET", "pipelines/names/([^/]+)", ("get", "pipelines"), PipelinesApi.pipeline),
    ("GET", "pipelines/([^/]+)/versions", ("list", "pipelines"), PipelinesApi.versions),
)


def chosen(items: list[Item], query: Mapping[str, str]) -> list[Item]:
    """Filtered by KFP's own filter on the name; the newest first."""
    wanted = json.loads(query["filter"])["predicates"] if "filter" in query else []
    for predicate in wanted:
        if (predicate["key"], predicate["operation"]) != ("name", "EQUALS"):
            raise Refused(400, f"this stand-in filters by name only, not {predicate}")
    names = {predicate["string_value"] for predicate in wanted}
    return [item for item in reversed(items) if not names or item["display_name"] in names]


def one(items: list[Item], key: str, value: str) -> Item:
    found = [item for item in items if item[key] == value]
    if not found:
        raise Refused(404, f"there is none with {key} {value}")
    return found[0]


def checked(model: str, body: Item) -> None:
    """Every field is one of the model's, and every value one that its client can read."""
    known = getattr(models, model)
    for name, value in body.items():
        types = {known.attribute_map[attribute]: kind for attribute, kind in known.openapi_types.items()}
        if name not in types:
            raise Refused(400, f"{model} has no field {name!r}")
        if types[name].startswith("V2beta1") and isinstance(value, dict):
            checked(types[name], value)
    try:
        ApiClient()._ApiClient__deserialize(body, known)
    except ValueError as error:
        raise Refused(400, f"{model}: {error}") from error
