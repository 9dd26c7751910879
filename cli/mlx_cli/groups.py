"""A verb with verbs of its own, such as ``mlx features get``; its options may stand before them."""

from typing import cast

import typer
from typer.core import TyperGroup


def verb_group() -> typer.Typer:
    """Verbs are added by its ``command``; what is done without one, by its ``callback``."""
    return typer.Typer(rich_markup_mode=None, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


def hand_on(context: typer.Context, **options: object) -> int:
    """What was given before the verb holds for it, where it does not say otherwise; returns 0, as how it ends is for the verb to say."""
    context.default_map = dict.fromkeys(cast("TyperGroup", context.command).commands, options)
    return 0
