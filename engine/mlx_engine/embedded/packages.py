"""Which provider serves which resources: one running plugin per provider resource, started and configured when first needed."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mlx_engine import urns
from mlx_engine.embedded.in_process import ProviderLoop
from mlx_engine.embedded.plugin import Plugin, ProviderError
from mlx_engine.host import EngineError
from mlx_engine.providers import ProviderFactory, ProviderLog
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values

StartExecutable = Callable[[str, str], Plugin]
"""``start(package, version)``: runs the plugin executable of a package."""


@dataclass
class _Entry:
    plugin: Plugin
    urn: str
    inputs: Values
    configured: bool = False
    lock: Any = field(default_factory=threading.Lock)


class Packages:
    """The plugins of one run."""

    def __init__(
        self,
        factories: Mapping[str, ProviderFactory],
        start_executable: StartExecutable,
        log: ProviderLog,
        olds: Iterable[Resource],
        *,
        dry_run: bool,
    ) -> None:
        self._in_state = {f"{old.urn}::{old.id}": old for old in olds if urns.is_provider(old.type)}
        self._factories = factories
        self._start_executable = start_executable
        self._log = log
        self._dry_run = dry_run
        self._loop = ProviderLoop()
        self._started: list[Plugin] = []
        self._candidates: dict[str, Plugin] = {}
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.RLock()

    def candidate(self, urn: str, version: str) -> Plugin:
        """The plugin that will serve the provider resource ``urn``: running, not configured."""
        with self._lock:
            if urn not in self._candidates:
                self._candidates[urn] = self._start(urns.package_of(urns.type_of(urn)), version)
            return self._candidates[urn]

    def adopt(self, provider: Resource) -> None:
        """``provider`` stands in state: its resources are served by its candidate."""
        with self._lock:
            self._enter(provider, self._candidates.pop(provider.urn, None))

    def plugin(self, reference: str) -> Plugin:
        """The configured plugin behind a provider reference: of this run, or of the state it began with."""
        with self._lock:
            entry = self._entries.get(reference) or self._from_state(reference)
        with entry.lock:
            if not entry.configured:
                entry.plugin.configure(entry.urn, urns.provider_id(reference), entry.inputs)
                entry.configured = True
        return entry.plugin

    def _from_state(self, reference: str) -> _Entry:
        provider = self._in_state.get(reference)
        if provider is None:
            raise EngineError(f"no provider stands behind {reference}", hint="import a state that holds this provider")
        return self._enter(provider, None)

    def _enter(self, provider: Resource, plugin: Plugin | None) -> _Entry:
        plugin = plugin or self._start(urns.package_of(provider.type), provider.inputs.get("version", ""))
        entry = self._entries[f"{provider.urn}::{provider.id}"] = _Entry(plugin, provider.urn, provider.inputs)
        return entry

    def cancel(self) -> None:
        """Asks every provider to give up what it is doing."""
        for plugin in list(self._started):
            threading.Thread(target=_cancel_quietly, args=(plugin,), daemon=True).start()

    def close(self) -> None:
        for plugin in self._started:
            plugin.stop()
        self._loop.close()

    def _start(self, package: str, version: str) -> Plugin:
        factory = self._factories.get(package)
        if factory is None:
            plugin = self._start_executable(package, version)
        else:
            plugin = Plugin(package, self._loop.caller(factory(self._log)), stop=lambda: None)
        plugin.dry_run = self._dry_run
        self._started.append(plugin)
        return plugin


def _cancel_quietly(plugin: Plugin) -> None:
    # A provider that cannot cancel is waited for; where the run has ended meanwhile, its loop or channel is closed.
    with suppress(ProviderError, RuntimeError, ValueError):
        plugin.cancel()
