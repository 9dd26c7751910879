"""A stand-in for the API server of Kubeflow Pipelines: a mock, for the real one cannot be had here.

It keeps runs and recurring runs in memory, finds pipelines and their versions among the objects of the real API server, and
refuses what `kfp_server_api`, KFP's own client, has no field or no value for.
"""

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
                code, answer = 200, api.handle(self.command, self.path, body)
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
        self.runs: list[Item] = []
        self.recurring: list[Item] = []
        self.log: list[str] = []
        self._turn = threading.Lock()

    @property
    def live(self) -> list[Item]:
        """The recurring runs that start runs."""
        return [item for item in self.recurring if item["status"] == "ENABLED"]

    def handle(self, method: str, path: str, body: Item | None) -> Item:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for wanted, pattern, act in ROUTES:
            matched = re.fullmatch(f"/apis/v2beta1/{pattern}", parts.path)
            if matched and wanted == method:
                with self._turn:
                    return act(self, *matched.groups(), **({"body": body} if body is not None else {"query": query}))
        raise Refused(404, f"no such path: {method} {path}")

    def list_runs(self, query: Mapping[str, str]) -> Item:
        return {"runs": chosen(self.runs, query)}

    def create_run(self, body: Item) -> Item:
        checked("V2beta1Run", body)
        made = {**body, "run_id": str(uuid.uuid4()), "state": "PENDING"}
        self.runs.append(made)
        return made

    def get_run(self, id: str, query: Mapping[str, str]) -> Item:
        return one(self.runs, "run_id", id)

    def list_recurring(self, query: Mapping[str, str]) -> Item:
        return {"recurringRuns": chosen(self.recurring, query)}

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


ROUTES: tuple[tuple[str, str, Callable[..., Item]], ...] = (
    ("GET", "runs", PipelinesApi.list_runs),
    ("POST", "runs", PipelinesApi.create_run),
    ("GET", "runs/([^/]+)", PipelinesApi.get_run),
    ("GET", "recurringruns", PipelinesApi.list_recurring),
    ("POST", "recurringruns", PipelinesApi.create_recurring),
    ("GET", "recurringruns/([^/:]+)", PipelinesApi.get_recurring),
    ("POST", "recurringruns/([^/:]+):disable", PipelinesApi.disable),
    ("GET", "pipelines/names/([^/]+)", PipelinesApi.pipeline),
    ("GET", "pipelines/([^/]+)/versions", PipelinesApi.versions),
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
