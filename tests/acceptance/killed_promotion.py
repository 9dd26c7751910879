"""Runs ``mlx`` in this process and ends it with SIGKILL just before its Nth operation on a target's files: opening, making, renaming or removing.

``python killed_promotion.py N TARGET VERB...``; with N = 0 it is not killed and prints how many operations there were.
"""

import os
import signal
import sys

OPERATIONS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.copyfile", "shutil.copytree", "shutil.rmtree"})


def main() -> None:
    at, target, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    seen = 0

    def count(event: str, values: tuple[object, ...]) -> None:
        nonlocal seen
        if event in OPERATIONS and any(f".mlx/{target}/" in str(value) or f"stacks/{target}.lock" in str(value) for value in values[:2]):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    from mlx_cli.main import run

    code = run(arguments)
    print(seen if at == 0 else code)
    sys.exit(code)


if __name__ == "__main__":
    main()
