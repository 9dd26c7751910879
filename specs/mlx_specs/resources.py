"""What the inputs and outputs of the resources of our own provider have in common: components declare them, the provider does them.

Everything is JSON: camelCase in Pulumi's state, frozen pydantic models on both sides. A path is relative to the
workspace. A field that may be unknown in a preview is typed as its plain value; the provider's codec replaces an unknown
by ``UNKNOWN`` (see mlx_engine) before it looks. What each resource takes and gives stands in ``*_resources.py``, by kind.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

from mlx_specs.digests import UNKNOWN_DIGEST

PACKAGE = "mlx"
PROVIDER_VERSION = "0.1.0"
"""The package of our resources and the version of its plugin: the program asks for it, the provider answers with it."""


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


Parameters = Annotated[dict[str, Any], BeforeValidator(_parsed), PlainSerializer(_text, return_type=str)]
"""Travels as JSON text: a number in Pulumi's state is a double, and max_features=1 is not max_features=1.0."""
ParameterList = Annotated[list[dict[str, Any]], BeforeValidator(_parsed), PlainSerializer(_text, return_type=str)]
"""Several of them, as JSON text for the same reason."""


class Wire(BaseModel):
    """Base of what crosses between program and provider; tolerant of what an older version stored."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """The camelCase JSON value."""
        return self.model_dump(mode="json", by_alias=True)


# The steps of mlx_pipelines import About and Version from here. Their text is in every model's fingerprint: where these move, all train again.
class About(Wire):
    """Who the object is, for what a person or another tool sees of the running thing."""

    description: str = ""
    owner: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class ColumnType(Wire):
    """A column as it is in a prepared dataset."""

    name: str
    type: str
    """string, integer, float, boolean, timestamp or date"""


class PreparedData(Wire):
    """A prepared dataset as a model or a batch run reads it."""

    name: str
    digest: str
    path: str
    keys: list[str] = Field(default_factory=list)
    event_time: str | None = None


class Version(Wire):
    """A model version as an alias or an endpoint refers to it; empty: there is none yet."""

    fingerprint: str = ""
    version: str = ""
    artifact: str = ""
    artifact_digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _unknown_as_a_whole(cls, value: Any) -> Any:
        """A version that a preview cannot know is one value; each of its parts is unknown then."""
        return dict.fromkeys(("fingerprint", "version", "artifact", "artifactDigest"), UNKNOWN_DIGEST) if value == UNKNOWN_DIGEST else value

    @classmethod
    def registered(cls, version: str, tags: Mapping[str, str]) -> "Version":
        """One in the registry, by the tags that mlx has put on it."""
        known = {name: tags.get(f"mlx.{name}", "") for name in ("fingerprint", "artifact", "artifact_digest")}
        return cls(version=version, **known)

    @property
    def exists(self) -> bool:
        """Whether there is a version at all."""
        return self.artifact_digest != ""


class DeclaredInputs(Wire):
    """``mlx:index:Declared``: a spec of a kind or mode that this target does not run yet; id = KIND/NAME."""

    kind: str
    name: str
    spec: dict[str, Any]
    reason: str
    about: About = About()
