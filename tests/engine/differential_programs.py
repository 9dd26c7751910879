"""Programs that both hosts run: each as it is first, and as it is after a change. Both take the folder of the files."""

from collections.abc import Callable
from typing import Any

import pulumi
from differential_options import OPTION_PROGRAMS
from file_program import File, Files, Folder

Declare = Callable[[str], Any]
Opts = pulumi.ResourceOptions


def plain(folder: str) -> None:
    first = File("a", folder=folder, content={"text": "ü", "list": [1, 2.5, None, True]})
    File("b", folder=folder, content=first.size)
    pulumi.export("size", first.size)


def plain_changed(folder: str) -> None:
    first = File("a", folder=folder, content={"text": "ü", "list": [1, 2.5, None, False], "more": {}})
    File("b", folder=folder, content=first.size)
    File("c", folder=folder)


def components(folder: str, colour: str = "red") -> None:
    outer = Folder("outer", {"colour": colour})
    inner = Folder("inner", {"deep": {"x": 1}}, Opts(parent=outer))
    made = File("a", folder=folder, opts=Opts(parent=inner))
    File("b", folder=folder, opts=Opts(depends_on=[outer]))
    inner.register_outputs({"size": made.size})
    outer.register_outputs({})


def components_changed(folder: str) -> None:
    components(folder, "blue")


def secrets(folder: str, password: str = "hunter2") -> None:
    made = File("a", folder=folder, content=pulumi.Output.secret(password), opts=Opts(additional_secret_outputs=["size"]))
    File("b", folder=folder, content={"nested": [made.token]})
    pulumi.export("token", made.token)
    pulumi.export("size", made.size)


def secrets_changed(folder: str) -> None:
    secrets(folder, "correct horse")


def replaced(folder: str, key: str = "old") -> None:
    first = File("a", folder=folder, key=key)
    File("b", folder=folder, content=first.id)
    File("c", folder=folder, key=first.id)


def replaced_changed(folder: str) -> None:
    replaced(folder, "new")


def delete_first(folder: str, key: str = "old") -> None:
    first = File("a", folder=folder, key=key, mode="delete-first")
    second = File("b", folder=folder, key=first.id.apply(lambda name: f"b-{name}"), mode="delete-first")
    File("c", folder=folder, content=second.id)


def delete_first_changed(folder: str) -> None:
    delete_first(folder, "new")


def providers(folder: str, region: str = "eu") -> None:
    files = Files("files", prefix="p", region=region)
    File("a", folder=folder, opts=Opts(provider=files, delete_before_replace=True))
    File("b", folder=folder)


def providers_changed(folder: str) -> None:
    providers(folder, "us")


def options(folder: str, content: Any = 1) -> None:
    File("a", folder=folder, content={"x": content}, opts=Opts(ignore_changes=["content.x"]))
    File("b", folder=folder, content=content, opts=Opts(replace_on_changes=["content"], delete_before_replace=True))
    File("c", folder=folder, content=content, opts=Opts(protect=True, retain_on_delete=True))
    File("d", folder=folder, opts=Opts(custom_timeouts=pulumi.CustomTimeouts(create="5m", delete="30s")))


def options_changed(folder: str) -> None:
    options(folder, 2)


def removed(folder: str) -> None:
    first = File("a", folder=folder)
    second = File("b", folder=folder, opts=Opts(depends_on=[first]))
    third = File("c", folder=folder, content=second.size)
    File("d", folder=folder, content=third.size, opts=Opts(parent=Folder("holder")))


def removed_changed(folder: str) -> None:
    File("a", folder=folder)


def unknowns(folder: str, content: Any = 1) -> None:
    first = File("a", folder=folder, content=content)
    File("b", folder=folder, content={"deep": [first.size]})
    File("c", folder=folder, content=first.content)


def unknowns_changed(folder: str) -> None:
    first = File("z", folder=folder, content="new")
    File("a", folder=folder, content=first.id)
    File("b", folder=folder, content={"deep": [first.size]})
    File("c", folder=folder, content=pulumi.Output.all(first.id, "x"))


def invokes(folder: str, content: Any = 1) -> None:
    counted = pulumi.runtime.invoke("files:index:count", {"folder": folder}, pulumi.InvokeOptions(version="1.0.0"))
    made = File("a", folder=folder, content=content)
    pulumi.export("known", pulumi.Output.from_input(counted.value).apply(lambda _: "counted"))
    pulumi.export("size", made.size)


def invokes_changed(folder: str) -> None:
    invokes(folder, 22)


def relations(folder: str, key: str = "old") -> None:
    first = File("a", folder=folder, key=key, mode="delete-first")
    File("b", folder=folder, content=1, opts=Opts(deleted_with=first))
    made = [File(f"many-{at}", folder=folder, content=at) for at in range(3)]
    File("last", folder=folder, content=[item.size for item in made])


def relations_changed(folder: str) -> None:
    first = File("a", folder=folder, mode="delete-first")
    made = [File(f"many-{at}", folder=folder, content=at * 11) for at in range(2)]
    File("last", folder=folder, content=[item.size for item in made], opts=Opts(depends_on=[first]))


def references(folder: str, content: Any = 1) -> None:
    made = File("a", folder=folder, content=content)
    File("b", folder=folder, content={"file": made})
    holder = Folder("holder", {"file": made})
    holder.register_outputs({"file": made})
    pulumi.export("file", made)


def references_changed(folder: str) -> None:
    references(folder, 2)


def empty(folder: str) -> None:
    pulumi.export("nothing", {"deep": [1, None]})


def empty_changed(folder: str) -> None:
    File("a", folder=folder, opts=Opts(protect=True))


PROGRAMS: dict[str, tuple[Declare, Declare]] = {
    "plain": (plain, plain_changed),
    "components": (components, components_changed),
    "secrets": (secrets, secrets_changed),
    "replaced": (replaced, replaced_changed),
    "delete-first": (delete_first, delete_first_changed),
    "providers": (providers, providers_changed),
    "options": (options, options_changed),
    "removed": (removed, removed_changed),
    "unknowns": (unknowns, unknowns_changed),
    "invokes": (invokes, invokes_changed),
    "relations": (relations, relations_changed),
    "references": (references, references_changed),
    "empty": (empty, empty_changed),
    **OPTION_PROGRAMS,
}
