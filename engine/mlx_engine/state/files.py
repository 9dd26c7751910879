"""Where a stack's files stand in Pulumi's file backend: the same keys in a folder and in a bucket."""

from dataclasses import dataclass, replace

from mlx_engine.host import Stack
from mlx_engine.state.blobs import Blobs, Say, open_blobs

ROOT = ".pulumi"


@dataclass(frozen=True)
class StackFiles:
    """The keys of one stack, and what keeps them."""

    blobs: Blobs
    project: str
    name: str

    @property
    def checkpoint(self) -> str:
        return f"{ROOT}/stacks/{self.project}/{self.name}.json"

    @property
    def history(self) -> str:
        return f"{ROOT}/history/{self.project}/{self.name}"

    @property
    def backups(self) -> str:
        return f"{ROOT}/backups/{self.project}/{self.name}"

    @property
    def locks(self) -> str:
        return f"{ROOT}/locks/organization/{self.project}/{self.name}"

    def telling(self, say: Say) -> "StackFiles":
        """The same files; ``say`` is told what they wait for."""
        return replace(self, blobs=self.blobs.telling(say))


def files_of(stack: Stack) -> StackFiles:
    return StackFiles(open_blobs(stack.state), stack.project, stack.name)


def write_meta(files: StackFiles) -> None:
    meta = f"{ROOT}/meta.yaml"
    if files.blobs.read(meta) is None:
        files.blobs.write(meta, b"version: 1\n")
