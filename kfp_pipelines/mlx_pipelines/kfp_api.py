"""Kubeflow Pipelines' API server: runs and recurring runs, found by their names and made where they are not.

Names and values enter, ids leave. Submitting twice under one name gives one run. Source: KFP's v2beta1 REST API.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from mlx_pipelines.errors import PipelineError
from mlx_specs.resources import PipelineRun

LIMIT = 30
"""Seconds for one answer."""
PAGE = 100
ENABLE, ENABLED = "ENABLE", "ENABLED"
"""The mode that is asked for, and the status that comes of it."""
RUNS, RECURRING = ("runs", "runs"), ("recurringruns", "recurringRuns")
"""Path and key of what is listed."""


def submit(run: PipelineRun, name: str) -> str:
    """The id of the run of this name; it is submitted where there is none."""
    found = next((item["run_id"] for item in _named(run, RUNS, name)), None)
    return found or str(_call(run.api, "POST", "runs", {**_body(run, name), "service_account": run.service_account})["run_id"])


def refuse_silent(api: str, namespace: str) -> None:
    """Raises ``PipelineError`` where nothing could be submitted: in a plan, before anything else is changed."""
    _call(api, "GET", "runs", None, namespace=namespace, page_size="1")


def state(run: PipelineRun, run_id: str) -> str | None:
    """``RUNNING``, ``SUCCEEDED``, …; None where the server has lost it."""
    try:
        return str(_call(run.api, "GET", f"runs/{run_id}").get("state") or "PENDING")
    except NotThere:
        return None


def schedule(run: PipelineRun, name: str, cron: str) -> str:
    """The id of the one live recurring run of this name; others of it are disabled first, so that two never run."""
    kept = None
    for item in _named(run, RECURRING, name):
        if kept is None and item.get("status") == ENABLED and _says(item, run, cron):
            kept = str(item["recurring_run_id"])
        elif item.get("status") == ENABLED:
            _call(run.api, "POST", f"recurringruns/{item['recurring_run_id']}:disable", {})
    return kept or str(_call(run.api, "POST", "recurringruns", _recurring(run, name, cron))["recurring_run_id"])


def unschedule(run: PipelineRun, name: str) -> None:
    """Nothing of this name is started any more; what it has started stays."""
    for item in _named(run, RECURRING, name):
        if item.get("status") == ENABLED:
            _call(run.api, "POST", f"recurringruns/{item['recurring_run_id']}:disable", {})


def is_live(run: PipelineRun, recurring_run_id: str) -> bool:
    """Whether a recurring run still starts runs."""
    try:
        return _call(run.api, "GET", f"recurringruns/{recurring_run_id}").get("status") == ENABLED
    except NotThere:
        return False


class NotThere(PipelineError):
    """The server knows nothing of the kind."""


def _body(run: PipelineRun, name: str) -> dict[str, Any]:
    return {"display_name": name, "pipeline_version_reference": _reference(run), "runtime_config": {"parameters": dict(run.arguments)}}


def _recurring(run: PipelineRun, name: str, cron: str) -> dict[str, Any]:
    """KFP's cron has seconds in front."""
    made = {"mode": ENABLE, "max_concurrency": "1", "no_catchup": True, "trigger": {"cron_schedule": {"cron": f"0 {cron}"}}}
    return {**_body(run, name), **made, "namespace": run.namespace, "service_account": run.service_account}


def _says(item: Mapping[str, Any], run: PipelineRun, cron: str) -> bool:
    wanted = _recurring(run, str(item.get("display_name")), cron)
    compared = ("trigger", "runtime_config", "pipeline_version_reference", "service_account")
    return all((item.get(key) or {}) == wanted[key] for key in compared)


def _reference(run: PipelineRun) -> dict[str, str]:
    """Ids are the server's own; names are ours."""
    pipeline = str(_call(run.api, "GET", f"pipelines/names/{run.pipeline}", namespace=run.namespace)["pipeline_id"])
    for item in _pages(run, f"pipelines/{pipeline}/versions", "pipeline_versions"):
        if run.pipeline_version in (item.get("name"), item.get("display_name")):
            return {"pipeline_id": pipeline, "pipeline_version_id": str(item["pipeline_version_id"])}
    raise NotThere(f"Kubeflow Pipelines has no version {run.pipeline_version} of pipeline {run.pipeline}", hint="is the PipelineVersion accepted? mlx status")


def _named(run: PipelineRun, collection: tuple[str, str], name: str) -> Iterator[dict[str, Any]]:
    """The newest first."""
    wanted = json.dumps({"predicates": [{"key": "name", "operation": "EQUALS", "string_value": name}]})
    yield from _pages(run, *collection, namespace=run.namespace, filter=wanted, sort_by="created_at desc")


def _pages(run: PipelineRun, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        page = _call(run.api, "GET", path, None, **query, page_size=str(PAGE), page_token=token)
        yield from page.get(key) or ()
        token = str(page.get("next_page_token") or "")
        if not token:
            return


def _call(api: str, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
    asked = urllib.parse.urlencode({name: value for name, value in query.items() if value})
    url = f"{api.rstrip('/')}/apis/v2beta1/{path}" + (f"?{asked}" if asked else "")
    content = None if body is None else json.dumps(dict(body)).encode()
    request = urllib.request.Request(url, data=content, method=method, headers={"Content-Type": "application/json"})
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
    kind = NotThere if error.code == 404 else PipelineError
    return kind(f"Kubeflow Pipelines refused {method} {path}: {reason.strip()[:400]}", hint="mlx logs shows the run; the API server's log says more")
