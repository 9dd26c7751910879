"""Programs about what options do, which both hosts run: each as it is first, and as it is after a change."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
from file_program import File, Files, Folder

Declare = Callable[[str], Any]
Opts = pulumi.ResourceOptions


def by_hand(folder: str, name: str, content: Any) -> str:
    """An object that nobody manages yet; its path is what it is imported by."""
    path = Path(folder) / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps({"owner": "", "content": content}))
    return str(path)


def aliases(folder: str) -> None:
    outer = Folder("app")
    inner = Folder("app-inner", opts=Opts(parent=outer))
    first = File("app-inner-a", folder=folder, key="a", opts=Opts(parent=inner))
    File("b", folder=folder, content=first.size, opts=Opts(parent=outer, depends_on=[inner]))
    files = Files("files", prefix="p")
    File("c", folder=folder, opts=Opts(provider=files))
    File("d", folder=folder, key="d", opts=Opts(deleted_with=first))
    File("e", folder=folder, key="e", content=1)
    File("gone", folder=folder, content=first.size)


def aliases_changed(folder: str) -> None:
    outer = Folder("shop", opts=Opts(aliases=[pulumi.Alias(name="app")]))
    inner = Folder("shop-inner", opts=Opts(parent=outer))
    first = File("shop-inner-a", folder=folder, key="a", opts=Opts(parent=inner))
    File("d", folder=folder, key="d", opts=Opts(parent=inner, deleted_with=first, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))
    File("b", folder=folder, content=first.size, opts=Opts(aliases=[pulumi.Alias(parent=outer)], depends_on=[inner]))
    files = Files("renamed", prefix="p", opts=Opts(aliases=[pulumi.Alias(name="files")]))
    File("c", folder=folder, opts=Opts(provider=files))
    urn = "urn:pulumi:dev::project::files:index:File::e"
    File("f", folder=folder, key="e", content=2, opts=Opts(aliases=["urn:pulumi:dev::project::files:index:File::never", urn]))


def aliases_replaced(folder: str, name: str = "a", key: str = "old") -> None:
    first = File(name, folder=folder, key=key, mode="delete-first", opts=Opts(aliases=[pulumi.Alias(name="a")]))
    second = File(f"{name}{name}", folder=folder, key=first.id, opts=Opts(aliases=[pulumi.Alias(name="aa")]))
    File("c", folder=folder, content=second.id)
    older, newer = "files:index:Older", "files:index:File"
    File("d", folder=folder, key=f"d-{key}", type_=older if key == "old" else newer, opts=Opts(aliases=[pulumi.Alias(type_=older)]))
    File("e", folder=folder, type_=older if key == "old" else newer, opts=Opts(aliases=[pulumi.Alias(type_=older)]))


def aliases_replaced_changed(folder: str) -> None:
    aliases_replaced(folder, "z", "new")


def imports(folder: str) -> None:
    first = File("a", folder=folder, key="a", content=1, opts=Opts(import_=by_hand(folder, "a", 1)))
    File("b", folder=folder, key="b", content=[first.size], opts=Opts(import_=by_hand(folder, "b", "other")))
    ignored = Opts(import_=by_hand(folder, "c", "other"), ignore_changes=["content"], additional_secret_outputs=["content"], protect=True)
    File("c", folder=folder, key="c", content=first.size, opts=ignored)
    File("d", folder=folder, key="d")
    File("e", folder=folder, key="e", content=1)


def imports_changed(folder: str) -> None:
    first = File("a", folder=folder, key="a", content=2, opts=Opts(import_=by_hand(folder, "a", 1)))
    File("b", folder=folder, key="b", content=[first.size])
    File("c", folder=folder, key="c", content=first.size, opts=Opts(import_=by_hand(folder, "c", "other"), ignore_changes=["content"]))
    File("d", folder=folder, key="other", content=3, opts=Opts(import_=by_hand(folder, "other", 3)))
    File("e", folder=folder, key="another", content=3, opts=Opts(import_=by_hand(folder, "another", 4)))


def deleted_with(folder: str, key: str = "old") -> None:
    first = File("a", folder=folder, key=key, content=1)
    File("b", folder=folder, key="b", opts=Opts(deleted_with=first, delete_before_replace=True))
    second = File("c", folder=folder, key=f"c-{key}", mode="delete-first", opts=Opts(deleted_with=first))
    File("d", folder=folder, content=second.size, opts=Opts(deleted_with=second))
    together = File("x", folder=folder, opts=Opts(depends_on=[second]))
    File("y", folder=folder, opts=Opts(deleted_with=together))


def deleted_with_changed(folder: str) -> None:
    first = File("a", folder=folder, key="new", content=1)
    File("b", folder=folder, key="b", opts=Opts(deleted_with=first, delete_before_replace=True))
    second = File("c", folder=folder, key="c-new", mode="delete-first", opts=Opts(deleted_with=first))
    File("d", folder=folder, content=second.size, opts=Opts(deleted_with=second, delete_before_replace=True))


def secret_outputs(folder: str, secret: list[str] | None = None) -> None:
    first = File("a", folder=folder, content={"deep": 1}, opts=Opts(additional_secret_outputs=secret))
    File("b", folder=folder, content=first.content)
    File("c", folder=folder, content=len(secret or []), opts=Opts(additional_secret_outputs=secret))
    pulumi.export("content", first.content)


def secret_outputs_changed(folder: str) -> None:
    secret_outputs(folder, ["content", "size"])


def paths(folder: str, n: int = 1) -> None:
    content = {"a": [{"x": n, "y": 1}, {"x": n, "y": n}], "b": {"c.d": n, "e": pulumi.Output.secret({"f": n})}, f"key{n}": n}
    ignored = ["content.a[*].x", "content.a[1].y", 'content.b["c.d"]', "content.b.e.f", "content.key1", "content.key2", "content.none.x"]
    File("a", folder=folder, content=content, opts=Opts(ignore_changes=ignored))
    File("b", folder=folder, content=content, opts=Opts(ignore_changes=["content.*"]))
    File("c", folder=folder, content=content, opts=Opts(ignore_changes=["*"]))
    File("d", folder=folder, key=f"d{n}", mode="detailed", content=content, opts=Opts(replace_on_changes=["content.a[*].x"]))
    File("e", folder=folder, key="e", mode="detailed", content={"a": [n]}, opts=Opts(replace_on_changes=["content.a[1]", "content.b"]))
    File("f", folder=folder, mode="detailed", content=content, opts=Opts(replace_on_changes=['content.b["c.d"]'], delete_before_replace=True))
    File("g", folder=folder, content=content, opts=Opts(replace_on_changes=["*"], delete_before_replace=True))


def paths_changed(folder: str) -> None:
    paths(folder, 2)


def cascade(folder: str, key: str = "old") -> None:
    root = File("root", folder=folder, key=key, mode="delete-first")
    left = File("left", folder=folder, key=root.id.apply(lambda name: f"left-{name}"))
    right = File("right", folder=folder, content=root.id)
    low = File("low", folder=folder, content=[left.id, right.id], opts=Opts(replace_on_changes=["content"], depends_on=[right]))
    holder = Folder("holder", {"low": low.id}, Opts(depends_on=[low]))
    File("child", folder=folder, key=low.size.apply(lambda size: f"child-{size}"), opts=Opts(parent=holder))
    File("aside", folder=folder, opts=Opts(depends_on=[low]))


def cascade_changed(folder: str) -> None:
    cascade(folder, "new")


def retained(folder: str, key: str = "old") -> None:
    keep = Opts(retain_on_delete=True)
    first = File("a", folder=folder, key=key, opts=keep)
    second = File("b", folder=folder, key=f"b-{key}", mode="delete-first", opts=keep)
    File("c", folder=folder, key=second.id.apply(lambda name: f"c-{name}"), mode="delete-first", content=first.size)
    File("d", folder=folder, key=f"d-{key}", opts=Opts(retain_on_delete=key == "new"))


def retained_changed(folder: str) -> None:
    retained(folder, "new")


def inherited(folder: str, key: str = "old") -> None:
    anchor = File("anchor", folder=folder)
    holder = Folder("holder", opts=Opts(retain_on_delete=True, deleted_with=anchor))
    inner = Folder("inner", opts=Opts(parent=holder, protect=True))
    child = File("a", folder=folder, key=key, opts=Opts(parent=inner, protect=False))
    File("b", folder=folder, opts=Opts(parent=inner, retain_on_delete=False))
    Folder("below", opts=Opts(parent=child))
    owner = File("owner", folder=folder, opts=Opts(provider=Files("files", prefix="p")))
    under = Folder("under", opts=Opts(parent=owner))
    File("served", folder=folder, opts=Opts(parent=under))


def inherited_changed(folder: str) -> None:
    inherited(folder, "new")


def reads(folder: str) -> None:
    made = File("a", folder=folder, content="theirs")
    read = File("r", folder=folder, key="a", opts=Opts(id=made.id, additional_secret_outputs=["content"]))
    File("b", folder=folder, content=read.content)
    File("known", folder=folder, key="x", opts=Opts(id=Path(by_hand(folder, "x", 1)).name))
    File("mine", folder=folder, key="mine")
    pulumi.export("content", read.content)


def reads_changed(folder: str) -> None:
    made = File("a", folder=folder, content="changed")
    File("r", folder=folder, key="other", opts=Opts(depends_on=[made]))
    File("known", folder=folder, key="y", opts=Opts(id=Path(by_hand(folder, "y", 2)).name))
    File("mine", folder=folder, key="x", opts=Opts(id="x.json"))


OPTION_PROGRAMS: dict[str, tuple[Declare, Declare]] = {
    "aliases": (aliases, aliases_changed),
    "aliases-replaced": (aliases_replaced, aliases_replaced_changed),
    "imports": (imports, imports_changed),
    "deleted-with": (deleted_with, deleted_with_changed),
    "secret-outputs": (secret_outputs, secret_outputs_changed),
    "paths": (paths, paths_changed),
    "cascade": (cascade, cascade_changed),
    "retained": (retained, retained_changed),
    "inherited": (inherited, inherited_changed),
    "reads": (reads, reads_changed),
}
