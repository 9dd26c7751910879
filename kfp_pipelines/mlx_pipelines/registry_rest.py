"""Reads of a registry that is a server: MLflow's REST API, without importing MLflow.

The server's URL and names enter; a version leaves, or the empty one where there is none. Never writes.
"""

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.registered import RecordedRun, Registered, RegisteredModel
from mlx_specs.resources import Version

LIMIT = 30
"""Seconds for one answer."""
PAGE = 1000


def champion(url: str, model: str, alias: str) -> Version:
    """The version that an alias points to; tags that mlx wrote say where its artifact is."""
    found = pointed_to(url, model, alias)
    return found.reference() if found is not None else Version()


def pointed_to(url: str, model: str, alias: str) -> Registered | None:
    """The same with all that is known of it."""
    query = urllib.parse.urlencode({"name": model, "alias": alias})
    found = _get(url, f"api/2.0/mlflow/registered-models/alias?{query}")
    return None if found is None else _registered(found["model_version"], [(str(found["model_version"]["version"]), alias)])


def versions_of(url: str, model: str) -> list[Registered]:
    """All versions of a model, the oldest first."""
    known = _record(url, model)
    if known is None:
        return []
    aliases = [(str(each["version"]), str(each["alias"])) for each in known.get("aliases") or ()]
    made = [_registered(version, aliases) for version in _pages(url, model)]
    return sorted(made, key=lambda one: int(one.version))


def model_of(url: str, model: str) -> RegisteredModel | None:
    """The registered model itself."""
    known = _record(url, model)
    return None if known is None else RegisteredModel(known.get("description") or "", {tag["key"]: tag["value"] for tag in known.get("tags") or ()})


def run_of(url: str, run_id: str) -> RecordedRun:
    """What was recorded of a run; nothing where it is gone. MLflow's own tags are left out."""
    found = _get(url, f"api/2.0/mlflow/runs/get?{urllib.parse.urlencode({'run_id': run_id})}")
    data: dict[str, Any] = {} if found is None else found["run"]["data"]
    params, metrics, tags = ({each["key"]: each["value"] for each in data.get(part) or ()} for part in ("params", "metrics", "tags"))
    figures = {key: float(value) for key, value in sorted(metrics.items()) if not math.isnan(float(value))}
    return RecordedRun(dict(sorted(params.items())), figures, {key: value for key, value in sorted(tags.items()) if not key.startswith("mlflow.")})


def _record(url: str, model: str) -> dict[str, Any] | None:
    """As the server has it."""
    found = _get(url, f"api/2.0/mlflow/registered-models/get?{urllib.parse.urlencode({'name': model})}")
    return None if found is None else found["registered_model"]


def _registered(version: dict[str, Any], aliases: list[tuple[str, str]]) -> Registered:
    number = str(version["version"])
    tags = {tag["key"]: tag["value"] for tag in version.get("tags") or ()}
    named = tuple(sorted(alias for of, alias in aliases if of == number))
    return Registered(number, version.get("run_id") or "", int(version["creation_timestamp"]), tags, named)


def _pages(url: str, model: str) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        query = urllib.parse.urlencode({"filter": f"name = '{model}'", "max_results": PAGE, "page_token": token})
        page = _get(url, f"api/2.0/mlflow/model-versions/search?{query}") or {}
        yield from page.get("model_versions") or ()
        token = page.get("next_page_token") or ""
        if not token:
            return


def _get(url: str, path: str) -> dict[str, Any] | None:
    """None where MLflow knows nothing of it: it says so with 404, and with 400 for an alias that is not set."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/{path}", timeout=LIMIT) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code in (400, 404):
            return None
        raise PipelineError(f"MLflow at {url} answers {error.code}", hint="its log says more") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        hint = "is MLflow running, and target.mlflow its URL from here?"
        raise PipelineError(f"MLflow at {url} does not answer: {reason}", hint=hint) from error
