"""One file a verb: ``command`` is what Typer runs; its docstring and options are the verb's help."""
