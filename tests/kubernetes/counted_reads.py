"""Runs ``mlx`` in this process and prints, as its last line, how often it has opened a file: ``python counted_reads.py FILE VERB...``."""

import sys


def main() -> None:
    file, arguments = sys.argv[1], sys.argv[2:]
    seen = 0

    def count(event: str, values: tuple[object, ...]) -> None:
        nonlocal seen
        seen += event == "open" and str(values[0]).endswith(file)

    sys.addaudithook(count)
    from mlx_cli.main import run

    code = run(arguments)
    print(seen)
    sys.exit(code)


if __name__ == "__main__":
    main()
