"""The reference workspace with a few changes: case NUMBER of a SEED is always the same one.

Documents are changed as trees, by the grammar of their kind where it matters: keys, values, subtrees, references, variables,
overrides, SQL, anchors. A ``Case`` leaves: the texts of all files, the environment to ask for, and what was done.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from grammar import COLUMNS, NAMES, at, document, members, value
from grammar import SCHEMAS as GRAMMAR
from sql_mutations import changed_sql
from trees import TAG, Files, MappingNode, Node, ScalarNode, SequenceNode, Spot, copied, get, mappings, nodes, parse, scalar, set_key, spots, tree

REPOSITORY = Path(__file__).parents[2]
SPECS = ("checkin", "delay", "features", "flights", "minutes")
STACKS = ("local", "prod", "staging")
FILES = (*(f"specs/{name}.yaml" for name in SPECS), *(f"stacks/{name}.yaml" for name in STACKS))
ENVIRONMENTS = (*("local",) * 10, *("prod", "staging") * 4, None, "nowhere")
SQL_KEYS = ("sql", "where", "condition", "query")
KEYS = (
    "",
    "<<",
    "spec",
    "x",
    "é",
    "名前",
    "a b",
    "a.b",
    "a/b",
    "${var.max_depth}",
    "null",
    "1",
    "\n",
    "'",
    "\u200b",
    "😀",
    "k" * 500,
    "__class__",
    "Name",
    "on",
    "=",
)
SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 0.5, -0.0, 1e300, 10**18, -(2**63), 2**64, 10**60, 10**399),
    *(
        "",
        " ",
        "x",
        "é",
        "名前",
        "😀",
        "\n",
        "a\nb",
        "\t",
        "\x7f",
        "\u2028",
        "\x85",
        "x" * 3000,
        "2013-10-01",
        "2013-13-45",
        "0x10",
        "1e3",
        "*",
        "[",
        "..",
        "/",
    ),
    *("delay@champion", "nowhere", "Model/delay", "1d", "-1d", "0s", "local", "select", "{env: X}", "password=hunter", "%s{0}", "source"),
)
VARIABLES = (
    "${var.max_depth}",
    "${var.nowhere}",
    "${var.max_dept}",
    "a ${var.max_depth} b",
    "$${var.max_depth}",
    "${max_depth}",
    "${var.}",
    "${var.a${var.b}}",
    "${",
    "${var.é}",
)
RAWS = (
    "*nowhere",
    "&lonely",
    "!!python/object:os.system x",
    "!!int x",
    "!custom {a: 1}",
    "{a: 1, a: 2}",
    "[1, 2",
    "'open",
    '"\\ud800"',
    '"\\x00"',
    "? [a, b]\n: c",
    "- - -",
    "%YAML 3.0",
    "@at",
    "`tick`",
    "|2\n  x",
    ".nan",
    ".inf",
    "0o17",
    "1_000",
    "yes",
    "2013-10-01T00:00:00Z",
    "\x01",
    "\ufeff",
    "# comment",
    "a: b: c",
    "\t",
)
LETTERS = (
    "\n",
    "\t",
    " ",
    ":",
    "- ",
    "---\n",
    "...\n",
    "#",
    "'",
    '"',
    "{",
    "]",
    "&a ",
    "*a ",
    "\x85",
    "\u2028",
    "\x0c",
    "\x1c",
    "\r",
    "é",
    "\ufeff",
    "|",
    ">",
    "%",
    "${var.",
    "\x00",
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))


@dataclass(frozen=True)
class Case:
    """One changed workspace."""

    seed: int
    number: int
    environment: str | None
    texts: dict[str, str]
    """Every file that differs from the reference workspace."""
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """All that differs, as one file to look at."""
        head = f"# seed {self.seed}, case {self.number}, environment {self.environment}: {'; '.join(self.notes)}\n"
        return head + "".join(f"# {name}\n{text}\n" for name, text in self.texts.items())


def case(seed: int, number: int) -> Case:
    """The case of a seed and a number."""
    random = Random(f"{seed}/{number}")
    texts, parsed = reference()
    files = Files(texts, parsed)
    environment = random.choice(ENVIRONMENTS)
    for _ in range(random.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        random.choice(CHANGES)(files, random)
    made = files.written()
    if random.random() < 0.12 or not made:
        _letters(made, texts, random, files.notes)
    return Case(seed, number, environment, made, tuple(files.notes))


@cache
def reference() -> tuple[dict[str, str], dict[str, list[Node]]]:
    """The texts of the reference workspace, and their documents."""
    texts = {name: (REPOSITORY / name).read_text() for name in FILES}
    return texts, {name: parse(text) for name, text in texts.items()}


def _letters(made: dict[str, str], texts: dict[str, str], random: Random, notes: list[str]) -> None:
    """A few letters of one file, as an editor's slip would."""
    name = random.choice(list(made) or list(FILES))
    text = made.get(name, texts[name])
    where = random.randint(0, len(text))
    text = text[:where] + random.choice(LETTERS) * random.choice((1, 1, 1, 40)) + text[where + random.choice((0, 0, 1, 5)) :]
    made[name] = random.choice(
        (text, text, text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), text[: random.randint(0, len(text))], "\ufeff" + text, "")
    )
    notes.append(f"letters of {name}")


def _somewhere(files: Files, random: Random) -> tuple[str, Node, Spot] | None:
    """Some value of some document: the kind that it is written for, the document, the place."""
    documents = files.open(random.choice(FILES))
    if not documents:
        return None
    root = random.choice(documents)
    places = spots(root)
    return (_kind(root), root, random.choice(places)) if places else None


def _kind(root: Node) -> str:
    kind = get(root, "kind")
    return str(kind.value) if kind is not None else ""


def _value(files: Files, random: Random) -> None:
    """A value of any other type."""
    if found := _somewhere(files, random):
        other = random.choice(SCALARS)
        made: Any = random.choice((other, other, other, [], {}, [other], {"x": other}, [[other]], {"type": other}))
        _put(files, found[2], tree(made), f"{json.dumps(made)[:60]} at")


def _by_grammar(files: Files, random: Random) -> None:
    """A value that the schema of this place allows, or of another place."""
    if found := _somewhere(files, random):
        kind = found[0] if random.random() < 0.8 else random.choice(list(GRAMMAR))
        allowed = at(kind, found[2].path)
        if allowed:
            _put(files, found[2], tree(value(random.choice(allowed), GRAMMAR[kind], random, 1, str(found[2].path[-1]))), "by its schema")


def _field(files: Files, random: Random) -> None:
    """One more field that the schema has at this place."""
    if found := _somewhere(files, random):
        kind, _, spot = found
        names = members(kind, spot.path)
        if names and isinstance(spot.node, MappingNode):
            name = random.choice(names)
            set_key(spot.node, name, tree(value(random.choice(at(kind, (*spot.path, name))), GRAMMAR[kind], random, 1, name)))
            files.notes.append(f"field {name} in {_path(spot)}")


def _drop_one(files: Files, random: Random) -> None:
    def less(pairs: list[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
        at_index = random.randrange(len(pairs))
        return pairs[:at_index] + pairs[at_index + 1 :]

    _in_a_map(files, random, "a key less in", less)


def _twice(files: Files, random: Random) -> None:
    def more(pairs: list[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
        key, old = random.choice(pairs)
        return [*pairs, (copied(key), random.choice((old, scalar("again"), copied(old) if _is_flat(old) else old)))]

    _in_a_map(files, random, "a key twice in", more)


def _is_flat(node: Node) -> bool:
    return isinstance(node, ScalarNode)


def _rename(files: Files, random: Random) -> None:
    def renamed(pairs: list[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
        at_index = random.randrange(len(pairs))
        key, old = pairs[at_index]
        return [*pairs[:at_index], (_other_key(key, random), old), *pairs[at_index + 1 :]]

    _in_a_map(files, random, "another key in", renamed)


def _other_key(key: Node, random: Random) -> Node:
    if random.random() < 0.05:
        return random.choice((tree([1]), tree({"a": 1}), scalar(None), scalar(1), scalar(True), ScalarNode(f"{TAG}merge", "<<")))
    name = str(key.value) or "x"
    letter = random.randrange(len(name))
    return scalar(
        random.choice(
            (random.choice(KEYS), name[:letter] + name[letter + 1 :], name.upper(), name + "s", random.choice(NAMES + COLUMNS), name.replace("e", "é"))
        )
    )


def _exchange(files: Files, random: Random) -> None:
    def exchanged(pairs: list[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
        one, other = random.randrange(len(pairs)), random.randrange(len(pairs))
        made = list(pairs)
        made[one], made[other] = (pairs[one][0], pairs[other][1]), (pairs[other][0], pairs[one][1])
        return made

    _in_a_map(files, random, "two values exchanged in", exchanged)


def _in_a_map(files: Files, random: Random, note: str, change: Callable[[list[tuple[Node, Node]]], list[tuple[Node, Node]]]) -> None:
    documents = files.open(random.choice(FILES))
    maps = [each for root in documents for each in mappings(root) if each.value]
    if maps:
        chosen = random.choice(maps)
        files.notes.append(f"{note} {[key.value for key, _ in chosen.value][:6]}")
        chosen.value = change(chosen.value)


def _move(files: Files, random: Random) -> None:
    """A subtree of one object, or of another kind, at some place; sometimes the two change places."""
    one, other = _somewhere(files, random), _somewhere(files, random)
    if one and other and one[2].node is not other[2].node and one[2].node not in nodes(other[2].node) and other[2].node not in nodes(one[2].node):
        _put(files, one[2], other[2].node if random.random() < 0.3 else _unshared(other[2].node), f"{_path(other[2])} moved to")
        if random.random() < 0.4:
            other[2].put(one[2].node)


def _unshared(node: Node) -> Node:
    """A copy, but for trees that hold themselves or much in common: copying those would not end."""
    return copied(node) if len(spots(node)) < 400 and not _is_shared(node) else node


def _is_shared(node: Node) -> bool:
    places = [node, *(spot.node for spot in spots(node))]
    return len({id(place) for place in places}) < len(places)


def _reference(files: Files, random: Random) -> None:
    """A name of something, named otherwise or like something else: broken references, cycles, two of one name."""
    name = random.choice(FILES)
    found = [spot for root in files.open(name) for spot in spots(root) if isinstance(spot.node, ScalarNode) and spot.node.value.partition("@")[0] in NAMES]
    if found:
        spot = random.choice(found)
        old = str(spot.node.value)
        _put(
            files,
            spot,
            scalar(random.choice((random.choice(NAMES), random.choice(NAMES), old[:-1], old.upper(), f"{old}@x", "source", "", old.replace("-", "_")))),
            "reference",
        )


def _variable(files: Files, random: Random) -> None:
    if found := _somewhere(files, random):
        _put(files, found[2], scalar(random.choice(VARIABLES)), "variable")


def _environment(files: Files, random: Random) -> None:
    """Variables, overrides and environments that nobody has, or that break what is right."""
    stack = random.choice(STACKS)
    spec = next((get(root, "spec") for root in files.open(f"stacks/{stack}.yaml")), None)
    kind = random.choice(list(GRAMMAR))
    id = random.choice((f"{kind}/{random.choice(NAMES)}", "Model/delay", "Dataset/flights", "FeatureStore/flights", "Inference/delay-api", "Model", "/", "x"))
    match random.randrange(5):
        case 4 if spec is not None:
            set_key(spec, "target", tree({"type": "kubernetes", "cluster": random.choice(("main", "nowhere")), "namespace": "team"}))
            files.open("specs/delay.yaml").append(tree({**document(random, "Cluster"), "metadata": {"name": "main"}}))
        case 0 if spec is not None:
            set_key(spec, "overrides", tree({id: _override(id.partition("/")[0], random), "Model/delay": {"seed": random.choice(SCALARS)}}))
        case 1 if spec is not None:
            set_key(spec, "variables", tree({random.choice(("max_depth", "é", "", "a b")): random.choice((*SCALARS, *VARIABLES, [1], {"a": 1}))}))
        case _:
            documents = files.open(random.choice(FILES))
            for root in documents[:1]:
                set_key(root, "environments", tree(random.choice(([], ["local"], ["prod", "nowhere"], "local", [1], [None], {"local": 1}, ["local"] * 3))))
    files.notes.append(f"environment {stack}, {id}")


def _override(kind: str, random: Random) -> Any:
    made: Any = value(GRAMMAR[kind], GRAMMAR[kind], random).get("spec") if kind in GRAMMAR else random.choice(SCALARS)
    return random.choice((made, made, {"spec": made}, None, {"features": None}, {"prepare": [{"sql": "select 1"}]}, [made], "x"))


def _object(files: Files, random: Random) -> None:
    """One more object, of any kind, made by its schema; or one twice, elsewhere, or no more."""
    documents = files.open(random.choice(FILES))
    match random.randrange(6):
        case 0 if documents:
            documents.pop(random.randrange(len(documents)))
        case 1:
            documents.append(_unshared(random.choice(random.choice(list(files.parsed.values())))))
        case _:
            documents.append(tree(document(random)))
    files.notes.append("another object")


def _other_kind(files: Files, random: Random) -> None:
    documents = files.open(random.choice(FILES))
    if documents:
        set_key(
            random.choice(documents), random.choice(("kind", "apiVersion")), scalar(random.choice((*GRAMMAR, "mlx/v1", "mlx/v2", "model", "", None, "List")))
        )
        files.notes.append("another kind")


def _sql(files: Files, random: Random) -> None:
    """SQL, changed; wherever SQL stands."""
    sources = [spot for name in ("specs/flights.yaml", "specs/features.yaml", "specs/minutes.yaml") for root in files.open(name) for spot in spots(root)]
    found = [spot for spot in sources if spot.path[-1] in SQL_KEYS and isinstance(spot.node, ScalarNode)]
    if found:
        spot = random.choice(found)
        changed = changed_sql(str(spot.node.value), [str(each.node.value) for each in found], random)
        node = scalar(changed)
        node.style = random.choice(("|", "|", ">", '"', None))
        _put(files, spot, node, "SQL")


def _alias(files: Files, random: Random) -> None:
    """One node in two places of a file; within itself, too; or merged into a map."""
    documents = files.open(random.choice(FILES))
    places = [spot for root in documents for spot in spots(root)]
    if not places:
        return
    one, other = random.choice(places), random.choice(places)
    if random.random() < 0.4:
        maps = [spot.node for spot in places if isinstance(spot.node, MappingNode)]
        holder = random.choice(maps) if maps else None
        if holder is not None:
            merged = SequenceNode(f"{TAG}seq", [one.node, other.node]) if random.random() < 0.3 else one.node
            holder.value = [(ScalarNode(f"{TAG}merge", "<<"), merged), *holder.value]
        files.notes.append(f"{_path(one)} merged")
    else:
        _put(files, one, other.node, f"an alias of {_path(other)}")


def _deep(files: Files, random: Random) -> None:
    if found := _somewhere(files, random):
        depth = random.choice((5, 60, 63, 64, 65, 100, 1000, 20_000))
        text = random.choice(("[" * depth + "]" * depth, "{a: " * depth + "1" + "}" * depth, "[" * depth, "- " * depth + "x", "&a [" * depth))
        _put(files, found[2], files.raw(text), f"{depth} levels")


def _raw(files: Files, random: Random) -> None:
    if found := _somewhere(files, random):
        bomb = "{" + BOMB.replace("\n", ", ") + "}"
        raw = random.choice((*RAWS, bomb))
        _put(files, found[2], files.raw(raw), f"{raw[:20]!r}")


def _put(files: Files, spot: Spot, node: Node, note: str) -> None:
    spot.put(node)
    files.notes.append(f"{note} {_path(spot)}")


def _path(spot: Spot) -> str:
    return ".".join(str(part)[:40] for part in spot.path)


CHANGES: tuple[Callable[[Files, Random], None], ...] = (
    *(_value, _by_grammar, _field, _sql) * 4,
    *(_drop_one, _twice, _rename, _exchange, _move, _reference, _environment, _object) * 2,
    *(_variable, _other_kind, _alias, _deep, _raw),
)
