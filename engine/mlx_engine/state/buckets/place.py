"""A bucket and a prefix in it, by the URL with which ``pulumi login`` opens the same state: ``s3://BUCKET/PREFIX?region=...``."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from mlx_engine.host import EngineError

QUERIES: Mapping[str, tuple[str, ...]] = {
    "s3": ("region", "endpoint", "profile", "s3ForcePathStyle", "use_path_style", "ssetype", "kmskeyid", "anonymous"),
    "azblob": ("storage_account", "domain", "protocol", "localemu"),
    "gs": ("anonymous",),
}
"""By scheme, what may stand in the query: Pulumi's own words, so far as this host keeps them."""


@dataclass(frozen=True)
class Place:
    scheme: str
    bucket: str
    prefix: str
    """'' or a path that ends with a slash."""
    query: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    def says(self, *names: str) -> bool:
        """Whether one of these is set to true."""
        return any(self.query.get(name, "").lower() in ("true", "1") for name in names)


def parse_place(url: str) -> Place:
    """Raises ``EngineError`` for what is no bucket, and for a query that would be ignored."""
    parts = urlsplit(url)
    if parts.scheme not in QUERIES or not parts.netloc:
        raise EngineError(f"{url}: no place for state", hint="use " + ", ".join(f"{scheme}://BUCKET/PREFIX" for scheme in QUERIES))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(query.keys() - set(QUERIES[parts.scheme]))
    if unknown:
        raise EngineError(f"{url}: {unknown[0]!r} is not known", hint=f"known are {', '.join(QUERIES[parts.scheme])}")
    prefix = parts.path.strip("/")
    return Place(parts.scheme, parts.netloc, f"{prefix}/" if prefix else "", query)
