"""Feast's protobuf messages without Feast: its package takes seconds to import, its messages a tenth of one."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from mlx_features.errors import FeatureError

REGISTRY = "feast.protos.feast.core.Registry_pb2"


def registry_message() -> Any:
    """The class of the message that a registry file is."""
    if "feast" in sys.modules or REGISTRY in sys.modules:
        return importlib.import_module(REGISTRY).Registry
    found = importlib.util.find_spec("feast")
    if found is None or found.submodule_search_locations is None:
        raise FeatureError("Feast is not installed", hint="pip install 'mlx-iac[local]'")
    package = ModuleType("feast")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["feast"] = package
    try:
        return importlib.import_module(REGISTRY).Registry
    finally:
        del sys.modules["feast"]  # an import of the whole package must find the whole package
