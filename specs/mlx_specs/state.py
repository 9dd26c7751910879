"""Where Pulumi's state of a stack is kept: of an environment, or of a cluster."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator

from mlx_specs.base import SecretRef, Strict

FILE_BACKEND = "file://"
BUCKET_QUERIES: Mapping[str, tuple[str, ...]] = {
    "s3": ("region", "endpoint", "profile", "s3ForcePathStyle", "use_path_style", "ssetype", "kmskeyid", "anonymous"),
    "azblob": ("storage_account", "domain", "protocol", "localemu"),
    "gs": ("anonymous",),
}
"""What may stand in the query of a bucket's URL, by scheme: the words of `pulumi login`."""


class State(Strict):
    """Where Pulumi's state stands."""

    backend: str = Field(
        default="file://.mlx/state",
        description="Where Pulumi keeps state: file://FOLDER (relative to the workspace), s3://BUCKET/PREFIX, azblob://CONTAINER/PREFIX or gs://BUCKET/PREFIX.",
    )
    passphrase: SecretRef | None = Field(
        default=None, description="The passphrase that encrypts secrets in state; a local environment may leave it out (an empty passphrase)."
    )

    @field_validator("backend")
    @classmethod
    def _is_a_place(cls, backend: str) -> str:
        parts = urlsplit(backend)
        if backend.startswith(FILE_BACKEND) and backend != FILE_BACKEND:
            return backend
        if parts.scheme not in BUCKET_QUERIES or not parts.netloc:
            raise ValueError("no place for state: use file://FOLDER, s3://BUCKET/PREFIX, azblob://CONTAINER/PREFIX or gs://BUCKET/PREFIX")
        known = BUCKET_QUERIES[parts.scheme]
        unknown = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if key not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not known for {parts.scheme}://: known are {', '.join(known)}")
        return backend
