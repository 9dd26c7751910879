"""Run by tests in a process of its own, which may be killed: ``run_update.py ROOT VERB PROGRAM``, an event a line on stdout."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from differential_programs import PROGRAMS  # noqa: E402
from file_provider import FileProvider  # noqa: E402

from mlx_engine.embedded import embedded_host  # noqa: E402
from mlx_engine.host import Event, Options, Stack  # noqa: E402


def main(root: Path, verb: str, program: str) -> None:
    stack = Stack("project", "dev", root, root / ".mlx" / "state")
    host = embedded_host(stack, Options(parallel=2), {"files": FileProvider})
    name, _, which = program.partition(":")
    declare = PROGRAMS[name][which == "changed"]
    if verb == "up":
        host.up(lambda: declare(str(root / "files")), _print)
    else:
        host.destroy(_print)


def _print(event: Event) -> None:
    sys.stdout.write(f"{event.kind} {event.step.op if event.step else ''} {event.step.name if event.step else event.message}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
