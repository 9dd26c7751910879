"""A prefix of a real bucket, the network before it, and workspaces whose state stands there."""

import os
from dataclasses import dataclass, replace

from conftest import Workspace
from proxy import Proxy
from servers import Server

from mlx_engine.state.blobs import Blobs, open_blobs
from mlx_engine.state.buckets.remote import PATIENCE, open_remote

KINDS = ("s3", "azblob", "gs")


@dataclass(frozen=True)
class Bucket:
    """A server, a prefix that nobody else uses, and a network in between that a test may break."""

    server: Server
    prefix: str
    proxy: Proxy

    @property
    def url(self) -> str:
        return self.server.url(self.prefix)

    def by_proxy(self, patience: float = PATIENCE) -> str:
        """The URL of the same state through the proxy. Google's address is a variable, which is read when a bucket is opened."""
        url = self.server.url(self.prefix, self.proxy.port).replace(self.prefix, f"{self.prefix}/")
        os.environ.update(self.server.variables(self.proxy.port))
        open_remote(url, patience)
        os.environ.update(self.server.variables())
        return url

    @property
    def blobs(self) -> Blobs:
        return open_blobs(self.url)


def in_bucket(workspace: Workspace, url: str) -> Workspace:
    return Workspace(workspace.root, replace(workspace.stack, state=url))
