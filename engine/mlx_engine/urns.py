"""Names of resources: ``urn:pulumi:STACK::PROJECT::[PARENT$]TYPE::NAME``, and references to providers, ``URN::ID``."""

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    above = qualified_type(parent) if parent else ""
    qualified = f"{above}${type_}" if above not in ("", STACK_TYPE) else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def make_child_urn(parent: str, type_: str, name: str) -> str:
    stack, project, _ = parent.removeprefix("urn:pulumi:").split("::", 2)
    return make_urn(stack, project, parent, type_, name)


def qualified_type(urn: str) -> str:
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """The resource's own type, without those of its parents."""
    return qualified_type(urn).rpartition("$")[2]


def name_of(urn: str) -> str:
    return urn.split("::", 3)[3]


def is_provider(type_: str) -> bool:
    return type_.startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    """Whether it is a provider resource that no program declared."""
    name = name_of(urn)
    return is_provider(qualified_type(urn)) and (name == "default" or name.startswith("default_"))


def package_of(type_: str) -> str:
    """The package that serves a type: ``aws`` for ``aws:s3/bucket:Bucket`` and for ``pulumi:providers:aws``."""
    return type_.removeprefix(PROVIDER_PREFIX) if is_provider(type_) else type_.split(":", 1)[0]


def provider_urn(reference: str) -> str:
    return reference.rpartition("::")[0]


def provider_id(reference: str) -> str:
    return reference.rpartition("::")[2]
