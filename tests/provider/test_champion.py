"""Who will be champion, as far as a plan can tell: endpoints and batches behind it are planned by that."""

from pathlib import Path

from mlx_provider.champion import Champion
from mlx_specs.model_resources import ChampionInputs, ChampionOutputs
from mlx_specs.resources import Version

FIRST = Version(version="1", fingerprint="a", artifact="models/a", artifact_digest="0")
SECOND = Version(version="2", fingerprint="b", artifact="models/b", artifact_digest="1")
ASKED = ChampionInputs(home=".mlx/local", model="delay", alias="champion", candidate=FIRST, success=[])


def decided(current: Version, winner: str, candidate: Version = FIRST) -> dict[str, object]:
    asked = ASKED.model_copy(update={"candidate": candidate})
    return ChampionOutputs(**dict(asked), current=current, decided=winner, passed=True, reasons=[]).wire()


def planned(old: dict[str, object], asked: ChampionInputs = ASKED) -> object:
    return Champion().planned(asked.wire(), old).get("current")


def test_nothing_changed_the_champion_stays() -> None:
    assert planned(decided(FIRST, "1")) == FIRST.wire()


def test_an_alias_that_was_moved_or_removed_will_be_back_on_the_candidate_that_passed() -> None:
    assert planned(decided(SECOND, "1")) == FIRST.wire()
    assert planned(decided(Version(), "1")) == FIRST.wire()


def test_where_an_earlier_version_will_be_back_it_is_not_known_more_closely() -> None:
    assert planned(decided(Version(), "1", candidate=SECOND), ASKED.model_copy(update={"candidate": SECOND})) is None


def test_another_candidate_is_judged_first() -> None:
    assert planned(decided(FIRST, "1"), ASKED.model_copy(update={"candidate": SECOND})) is None


def test_a_moved_alias_is_a_difference(tmp_path: Path) -> None:
    assert Champion().diff(ASKED.wire(), decided(Version(), "1"), ASKED.wire(), tmp_path).changed == ("current",)
