"""How an online store outside of this machine is reached: Feast's settings of it, as YAML, in the variable that a Secret fills.

Nothing of them is ever shown: they hold passwords.
"""

import os
from collections.abc import Mapping
from typing import Any, cast

import yaml

from mlx_features.errors import FeatureError

VARIABLE = "MLX_ONLINE_STORE"
PLAIN = "redis"
"""One Redis, no cluster of them."""
SECRET = "FeatureStore's onlineStore.connection names the Secret and its key"


def online_settings(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """As they stand in Feast's feature_store.yaml, without the type; None where no Secret fills the variable."""
    text = environment.get(VARIABLE)
    if text is None:
        return None
    try:
        # As Feast does with its whole file.
        found = yaml.safe_load(os.path.expandvars(text))
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise FeatureError("the settings of the online store are no YAML mapping", hint=f"{SECRET}: it holds lines such as `connection_string: HOST:6379`")
    settings = {key: value for key, value in cast("dict[str, Any]", found).items() if key != "type"}
    if settings.get("redis_type", PLAIN) != PLAIN:
        raise FeatureError(f"redis_type: {settings['redis_type']} cannot be used yet", hint=f"use a single Redis: redis_type: {PLAIN}")
    return settings
