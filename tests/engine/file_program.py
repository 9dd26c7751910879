"""What programs of these tests declare: files of ``file_provider``, and a component that holds some."""

from collections.abc import Callable
from typing import Any

import pulumi

VERSION = "1.0.0"


class File(pulumi.CustomResource):
    size: pulumi.Output[int]
    token: pulumi.Output[str]
    content: pulumi.Output[Any]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, type_: str = "files:index:File", **inputs: Any) -> None:
        outputs = {"size": None, "token": None, "content": None}
        versioned = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version=VERSION), opts)
        super().__init__(type_, name, {**outputs, "key": name, **inputs}, versioned)


class Folder(pulumi.ComponentResource):
    def __init__(self, name: str, inputs: dict[str, Any] | None = None, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("files:index:Folder", name, inputs or {}, opts)

    def holding(self, make: Callable[[pulumi.ResourceOptions], Any]) -> Any:
        return make(pulumi.ResourceOptions(parent=self))


class Files(pulumi.ProviderResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        super().__init__("files", name, inputs, pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version=VERSION), opts))
