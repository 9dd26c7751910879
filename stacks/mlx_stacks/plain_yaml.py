"""Objects as YAML that every reader takes for the same: keys sorted, and in quotes what some reader would take for no text."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

NUMBER = r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xob][0-9A-Fa-f_]+|[-+]?\.(inf|nan)|[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?"
DATE = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
LOOKS_OTHERWISE = re.compile(f"{NUMBER}|{DATE}|[yn]|yes|no|on|off|true|false|null|~|", re.IGNORECASE)
"""Numbers in any of their forms, and YAML 1.1's words. Go's reader knows ``1e3`` and ``y``, Python's does not."""
WIDTH = 10**6
"""A long line is not folded: a change of a word is a change of one line."""


def plain_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """One document after another."""
    return yaml.dump_all(documents, Dumper=Plain, sort_keys=True, allow_unicode=True, width=WIDTH, default_flow_style=False)


class Plain(yaml.SafeDumper):
    """Writes no anchors: what stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(_dumper: Plain, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else '"' if LOOKS_OTHERWISE.fullmatch(value) else None
    return yaml.ScalarNode("tag:yaml.org,2002:str", value, style=style)


Plain.add_representer(str, _text)
