"""Kubeflow Pipelines' API server: runs and recurring runs, found by their names and made where they are not.

Names and values enter, ids leave. Submitting twice under one name gives one run. Each environment has an experiment of its own in its own
namespace, so the server must be one for several users (``MULTIUSER``): one for a single user looks into its own namespace only. It asks
Kubernetes who calls, and what that service account may do there. Source: KFP's v2beta1 REST API; its apiserver/auth and apiserver/server.
"""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlx_pipelines.errors import PipelineError
from mlx_specs.pipeline_resources import PipelineRun

AUDIENCE = "pipelines.kubeflow.org"
"""Whom a token is for that it takes."""
LIMIT = 30
"""Seconds for one answer."""
PAGE = 100
PATIENCE, PAUSE = 5.0, 0.5
"""Seconds: rights that were given a moment ago are not known everywhere in the cluster yet."""
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
ENABLE, ENABLED = "ENABLE", "ENABLED"
"""The mode that is asked for, and the status that comes of it."""
EXPERIMENTS, RUNS, RECURRING = ("experiments", "experiments"), ("runs", "runs"), ("recurringruns", "recurringRuns")
"""Path and key of what is listed."""
EXPERIMENT = "mlx"
"""The name of an environment's experiment; its namespace makes it the environment's own."""


class NotThere(PipelineError):
    """The server knows nothing of the kind."""


class Taken(PipelineError):
    """There is one of this name already."""


class Forbidden(PipelineError):
    """The server does not let the caller in, or not do that."""


def refuse_unfit(api: str) -> None:
    """Raises ``PipelineError`` where nothing could be submitted: in a plan, before anything else is changed. Needs no token."""
    if not _call(api, "", "GET", "healthz").get("multi_user"):
        reason = f"Kubeflow Pipelines at {api} is installed for a single user: it runs nothing in an environment's namespace"
        raise PipelineError(reason, hint="install its multi-user manifests, with Pipelines kept in Kubernetes (platform-agnostic-multi-user-k8s-native)")


@dataclass(frozen=True)
class PipelinesServer:
    """One environment's part of a server, as one service account sees it."""

    api: str
    """The URL of its API server."""
    namespace: str
    token: str
    """Of a service account of the namespace, for ``AUDIENCE``."""

    def submit(self, run: PipelineRun, name: str, since: str) -> str:
        """The id of the run of this name; it is submitted where there is none that has come to its end well or may still.

        ``since`` is when the namespace was made, in RFC 3339: what had not ended before that never will, though the server still knows it.
        """
        found = next((item["run_id"] for item in self._named(RUNS, name) if _counts(item, since)), None)
        return found or str(self._call("POST", "runs", {**self._body(run, name), "service_account": run.service_account})["run_id"])

    def state(self, run_id: str) -> str | None:
        """``RUNNING``, ``SUCCEEDED``, …; None where the server has lost it."""
        try:
            return str(self._call("GET", f"runs/{run_id}").get("state") or "PENDING")
        except NotThere:
            return None

    def schedule(self, run: PipelineRun, name: str, cron: str) -> str:
        """The id of the one live recurring run of this name; others of it are disabled first, so that two never run."""
        wanted, kept = self._recurring(run, name, cron), None
        for item in self._named(RECURRING, name):
            if kept is None and item.get("status") == ENABLED and _says(item, wanted):
                kept = str(item["recurring_run_id"])
            elif item.get("status") == ENABLED:
                self._disable(item)
        return kept or str(self._call("POST", "recurringruns", wanted)["recurring_run_id"])

    def unschedule(self, name: str) -> None:
        """Nothing of this name is started any more; what it has started stays."""
        for item in self._named(RECURRING, name):
            if item.get("status") == ENABLED:
                self._disable(item)

    def is_live(self, recurring_run_id: str) -> bool:
        """Whether a recurring run still starts runs."""
        try:
            return self._call("GET", f"recurringruns/{recurring_run_id}").get("status") == ENABLED
        except NotThere:
            return False

    def _disable(self, item: Mapping[str, Any]) -> None:
        self._call("POST", f"recurringruns/{item['recurring_run_id']}:disable", {})

    def _body(self, run: PipelineRun, name: str) -> dict[str, Any]:
        reference, arguments = self._reference(run), {"parameters": dict(run.arguments)}
        return {"display_name": name, "experiment_id": self._experiment(), "pipeline_version_reference": reference, "runtime_config": arguments}

    def _recurring(self, run: PipelineRun, name: str, cron: str) -> dict[str, Any]:
        """KFP's cron has seconds in front."""
        made = {"mode": ENABLE, "max_concurrency": "1", "no_catchup": True, "trigger": {"cron_schedule": {"cron": f"0 {cron}"}}}
        return {**self._body(run, name), **made, "namespace": self.namespace, "service_account": run.service_account}

    def _experiment(self) -> str:
        """What runs are kept under; the server makes none by itself."""
        found = self._found_experiment()
        if found is None:
            made = {"display_name": EXPERIMENT, "description": "what mlx trains in this namespace", "namespace": self.namespace}
            with suppress(Taken):  # two models may be submitted at once
                return str(self._call("POST", "experiments", made)["experiment_id"])
            found = self._found_experiment()
        if found is None:
            raise PipelineError(f"Kubeflow Pipelines has an experiment {EXPERIMENT} and does not show it", hint=f"was it archived? restore {EXPERIMENT}")
        return found

    def _found_experiment(self) -> str | None:
        return next((str(item["experiment_id"]) for item in self._named(EXPERIMENTS, EXPERIMENT)), None)

    def _reference(self, run: PipelineRun) -> dict[str, str]:
        """Ids are the server's own; names are ours."""
        pipeline = str(self._call("GET", f"pipelines/names/{run.pipeline}", namespace=self.namespace)["pipeline_id"])
        for item in self._pages(f"pipelines/{pipeline}/versions", "pipeline_versions"):
            if run.pipeline_version in (item.get("name"), item.get("display_name")):
                return {"pipeline_id": pipeline, "pipeline_version_id": str(item["pipeline_version_id"])}
        raise NotThere(
            f"Kubeflow Pipelines has no version {run.pipeline_version} of pipeline {run.pipeline}", hint="is the PipelineVersion accepted? mlx status"
        )

    def _named(self, collection: tuple[str, str], name: str) -> Iterator[dict[str, Any]]:
        """The newest first."""
        wanted = json.dumps({"predicates": [{"key": "name", "operation": "EQUALS", "string_value": name}]})
        yield from self._pages(*collection, namespace=self.namespace, filter=wanted, sort_by="created_at desc")

    def _pages(self, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._call("GET", path, None, **query, page_size=str(PAGE), page_token=token)
            yield from page.get(key) or ()
            token = str(page.get("next_page_token") or "")
            if not token:
                return

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """What is forbidden is asked again for a while."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return _call(self.api, self.token, method, path, body, **query)
            except Forbidden:
                if time.monotonic() >= until:
                    raise
            time.sleep(PAUSE)


def _counts(item: Mapping[str, Any], since: str) -> bool:
    state = item.get("state")
    return state == SUCCEEDED or (state != FAILED and (not since or _moment(item["created_at"]) >= _moment(since)))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _says(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    compared = ("trigger", "runtime_config", "pipeline_version_reference", "service_account")
    return all((item.get(key) or {}) == wanted[key] for key in compared)


def _call(api: str, token: str, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
    asked = urllib.parse.urlencode({name: value for name, value in query.items() if value})
    url = f"{api.rstrip('/')}/apis/v2beta1/{path}" + (f"?{asked}" if asked else "")
    content = None if body is None else json.dumps(dict(body)).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, data=content, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        raise _refused(error, method, path) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        hint = "is Kubeflow Pipelines running, and target.pipelines its URL from here?"
        raise PipelineError(f"Kubeflow Pipelines at {api} does not answer: {reason}", hint=hint) from error


def _refused(error: urllib.error.HTTPError, method: str, path: str) -> PipelineError:
    text = error.read().decode(errors="replace")
    try:
        reason = str(json.loads(text).get("message") or text)
    except ValueError:
        reason = text
    kinds = {401: Forbidden, 403: Forbidden, 404: NotThere, 409: Taken}
    return kinds.get(error.code, PipelineError)(
        f"Kubeflow Pipelines refused {method} {path}: {reason.strip()[:400]}", hint="mlx logs shows the run; the API server's log says more"
    )
