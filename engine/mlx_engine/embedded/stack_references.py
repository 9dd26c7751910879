"""The package ``pulumi``, built in: references to other stacks of the same backend, read from their state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pulumi.provider.experimental.provider import Provider, ReadRequest, ReadResponse

from mlx_engine.host import EngineError, Stack
from mlx_engine.provider_codec import BlockingProvider, decode, encode
from mlx_engine.providers import ProviderFactory
from mlx_engine.stack_outputs import stack_outputs
from mlx_engine.values import Values, has_secret


def with_builtin(providers: Mapping[str, ProviderFactory], stack: Stack) -> Mapping[str, ProviderFactory]:
    def builtin(_log: Any) -> Provider:
        return StackReferences(stack)

    return {"pulumi": builtin, **providers}


class StackReferences(BlockingProvider):
    """``organization/PROJECT/STACK``, or ``STACK`` of this project."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def read(self, request: ReadRequest) -> ReadResponse:
        name = request.resource_id or str(decode(request.inputs).get("name", ""))
        outputs = self._outputs(name)
        secret_names = sorted(key for key, value in outputs.items() if has_secret(value))
        properties = encode({"name": name, "outputs": outputs, "secretOutputNames": secret_names})
        return ReadResponse(resource_id=request.resource_id, properties=properties, inputs=request.inputs)

    def _outputs(self, name: str) -> Values:
        parts = name.split("/")
        project, stack_name = (parts[-2], parts[-1]) if len(parts) > 1 else (self._stack.project, name)
        outputs = stack_outputs(replace(self._stack, project=project, name=stack_name))
        if outputs is None:
            raise EngineError(f"stack reference {name!r}: there is no stack {stack_name!r} of project {project!r} in this backend")
        return outputs
