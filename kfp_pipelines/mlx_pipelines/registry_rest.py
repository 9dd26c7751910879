"""Reads of a registry that is a server: MLflow's REST API, without importing MLflow.

The server's URL and names enter; a version leaves, or the empty one where there is none. Never writes.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from mlx_pipelines.errors import PipelineError
from mlx_specs.resources import Version

LIMIT = 30
"""Seconds for one answer."""


def champion(url: str, model: str, alias: str) -> Version:
    """The version that an alias points to; tags that mlx wrote say where its artifact is."""
    query = urllib.parse.urlencode({"name": model, "alias": alias})
    found = _get(url, f"api/2.0/mlflow/registered-models/alias?{query}")
    if found is None:
        return Version()
    version: dict[str, Any] = found["model_version"]
    tags = {tag["key"]: tag["value"] for tag in version.get("tags") or ()}
    return Version.registered(str(version["version"]), tags)


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
