"""``mlx schema``: the JSON schema of what people write, and of what ``-o json`` prints."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_cli.boundary import UsageError
from mlx_cli.output import note, result_json


def command(
    kind: Annotated[str | None, typer.Argument(help="A kind, such as Model; left out: any object, as editors need it.")] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="json|VERB", help="json: a schema is JSON anyway; a VERB: the schema of what `mlx VERB -o json` prints.")
    ] = "json",
    write: Annotated[Path | None, typer.Option("--write", help="Write every kind's schema into this folder instead, for editors.")] = None,
) -> int:
    """Print the JSON schema of a kind, of a whole file, or of a verb's -o json."""
    if output != "json":
        result_json(output_schema(output, kind))
    elif write is not None:
        write_all(write)
    else:
        result_json(kind_schema(kind))
    return 0


def output_schema(verb: str, kind: str | None) -> dict[str, Any]:
    """The published schema of a verb's result."""
    from mlx_cli.outputs import OUTPUTS
    from mlx_specs.diagnostics import did_you_mean, listing

    if kind is not None:
        raise UsageError(f"either the kind {kind!r} or -o {verb!r}: a verb's result has no kind", hint="ask for one after the other")
    if verb not in OUTPUTS:
        raise UsageError(f"no verb {verb!r} prints JSON{did_you_mean(verb, OUTPUTS)}", hint=f"these do: {listing(OUTPUTS, 20)}")
    return OUTPUTS[verb]


def kind_schema(kind: str | None) -> dict[str, Any]:
    """The schema of one kind, or of any object."""
    from mlx_specs.diagnostics import did_you_mean, listing
    from mlx_specs.kinds import KINDS
    from mlx_specs.schema import schemas

    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}{did_you_mean(kind, KINDS)}", hint=f"the kinds: {listing(KINDS)}")
    return schemas()[f"{kind or 'mlx'}.json"]


def write_all(folder: Path) -> None:
    """One file a kind, and mlx.json for any object."""
    from mlx_specs.schema import files

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (folder / name).write_text(text, encoding="utf-8")
            note(f"wrote {folder / name}")
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}", hint="--write takes a folder that you may write to") from error
