"""mlx:index:Champion: judges a candidate against the criteria and the present champion, and moves the registry's alias."""

from pathlib import Path

from mlx_pipelines.errors import PipelineError
from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs.model_resources import ChampionInputs, ChampionOutputs
from mlx_specs.resources import Version


class Champion:
    """id = MODEL@ALIAS. A candidate that fails is a successful update: the alias stays, the reasons are kept."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is added."""
        return ChampionInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Another candidate, other criteria, or an alias that somebody moved."""
        from mlx_pipelines.registry_reads import find_version

        changed = changed_inputs(old_inputs, inputs)
        old = ChampionOutputs.model_validate(old_outputs)
        current = find_version(workspace, old.home, old.model, old.alias) or Version()
        moved = {old.current.version, current.version} != {old.decided}
        return Difference((*changed, "current") if moved else changed)

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Who is champion is known while candidate and criteria are the same; a champion that is judged again stays it."""
        if not old_outputs or any(old_outputs.get(key) != inputs.get(key) for key in ("candidate", "home")):
            return dict(inputs)
        old = ChampionOutputs.model_validate(old_outputs)
        if old.current.version != old.decided:  # it was moved by hand: it is put back
            known = old.decided == old.candidate.version
            return {**old_outputs, **inputs, "current": old_outputs["candidate"]} if known else dict(inputs)
        if old_outputs.get("success") == inputs.get("success"):
            return {**old_outputs, **inputs}
        stays = old_outputs.get("current") == old_outputs.get("candidate")
        return {**inputs, "current": old_outputs["current"]} if stays else dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Judges, and moves the alias when the candidate passes."""
        asked = ChampionInputs.model_validate(inputs)
        return Created(f"{asked.model}@{asked.alias}", _decide(asked, None, workspace, report).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What the registry's alias points to now."""
        from mlx_pipelines.registry import find_version

        known = ChampionOutputs.model_validate(outputs)
        current = find_version(workspace, known.home, known.model, known.alias)
        return known.model_copy(update={"current": current or Version()}).wire()

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Judges again, or puts an alias back that somebody moved."""
        asked, old = ChampionInputs.model_validate(inputs), ChampionOutputs.model_validate(old_outputs)
        return _decide(asked, old, workspace, report).wire()

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes the alias; the versions stay."""
        from mlx_pipelines.registry import delete_alias

        gone = ChampionInputs.model_validate(inputs)
        delete_alias(workspace, gone.home, gone.model, gone.alias)


def _decide(asked: ChampionInputs, old: ChampionOutputs | None, workspace: Path, report: Report) -> ChampionOutputs:
    from mlx_pipelines.registry import describe, find_version, set_alias

    describe(workspace, asked.home, asked.model, asked.about)
    if old is not None and old.candidate == asked.candidate and old.success == asked.success:
        return _put_back(asked, old, workspace, report)
    current = find_version(workspace, asked.home, asked.model, asked.alias)
    passed, reasons = _judge(asked, current, workspace)
    if passed:
        set_alias(workspace, asked.home, asked.model, asked.alias, asked.candidate.version)
        current = asked.candidate
    report(f"version {asked.candidate.version} " + (f"is now {asked.alias}" if passed else f"stays a challenger: {'; '.join(reasons)}"))
    decided = current.version if current else ""
    return ChampionOutputs(**dict(asked), current=current or Version(), decided=decided, passed=passed, reasons=list(reasons))


def _judge(asked: ChampionInputs, current: Version | None, workspace: Path) -> tuple[bool, tuple[str, ...]]:
    from mlx_pipelines.gate import judge_version

    rival = None if current is None or current.fingerprint == asked.candidate.fingerprint else current
    try:
        verdict = judge_version(asked.home, asked.model, asked.candidate, rival, asked.success, workspace)
    except PipelineError as error:
        raise ResourceError(f"model {asked.model!r}: {error}", hint=error.hint) from error
    return verdict.passed, verdict.reasons


def _put_back(asked: ChampionInputs, old: ChampionOutputs, workspace: Path, report: Report) -> ChampionOutputs:
    from mlx_pipelines.registry import delete_alias, find_version, set_alias

    if old.decided:
        set_alias(workspace, asked.home, asked.model, asked.alias, old.decided)
        report(f"alias {asked.alias} is back on version {old.decided}")
    else:
        delete_alias(workspace, asked.home, asked.model, asked.alias)
    current = find_version(workspace, asked.home, asked.model, asked.alias) or Version()
    return ChampionOutputs(**dict(asked), current=current, decided=old.decided, passed=old.passed, reasons=old.reasons)
