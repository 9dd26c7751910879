"""The repository's frame: what the documents say of verbs, folders and installation is so."""

import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

from mlx_cli.demo import EDITS, SPEC
from mlx_cli.main import VERBS
from mlx_cli.outputs import OUTPUTS

ROOT = Path(__file__).parents[2]
FOLDERS = ["specs", "components", "provider", "kfp_pipelines", "feature_repo", "runtime", "engine", "stacks", "cli", "tests", "tools", "docs"]
SILENT = {"schema"}
"""Its result is no record: a schema is JSON itself."""


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_documented(verb: str) -> None:
    assert re.search(rf"^\| `mlx {verb}\b", (ROOT / "cli" / "README.md").read_text(), re.MULTILINE)


def test_every_verb_that_prints_a_result_publishes_its_schema() -> None:
    assert set(OUTPUTS) == set(VERBS) - SILENT
    for schema in OUTPUTS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_explains_itself(folder: str) -> None:
    assert (ROOT / folder / "README.md").is_file()


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")]
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]
    assert [(str(page.relative_to(ROOT)), target) for page, target in links if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", ["local.txt", "dev.txt", "uv.txt"])
def test_requirements_are_locked_by_hash_and_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    assert len(pinned) > 0
    assert {"torch", "pyspark"} & set(pinned) == ({"torch", "pyspark"} if name == "dev.txt" else set())
    assert [block.split()[0] for block in re.split(r"\n(?=[A-Za-z0-9])", text) if "--hash=sha256:" not in block] == []
    assert "://" not in text


def test_developers_have_what_users_have() -> None:
    pins = {name: set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE)) for name in ("local.txt", "dev.txt")}
    assert pins["local.txt"] - pins["dev.txt"] == set()


def test_what_the_locks_hold_satisfies_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[<>=;! ]", line)[0].lower() for line in (*project["dependencies"], *project["optional-dependencies"]["local"])}
    pinned = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "local.txt").read_text(), re.MULTILINE)}
    assert wanted - pinned == set()


def test_makefile_targets_are_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert phony == set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit[1])
def test_what_the_demo_edits_stands_in_the_reference_spec_once(edit: tuple[str, str]) -> None:
    assert (ROOT / SPEC).read_text().count(edit[0]) == 1
