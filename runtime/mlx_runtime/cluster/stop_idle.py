"""Beside the server of a notebook: stops the Notebook when nothing has happened in it for as long as its spec says.

Kubeflow's own culling is one setting for a whole cluster, and a server that ends by itself is started again by its StatefulSet. What
stops one is the annotation that Kubeflow's own culler writes: its pod goes, its volume stays.

Something happens where a kernel is busy, or a kernel or a terminal has said or heard something; an open page alone does nothing.
Source: Jupyter Server 2, api/kernels and api/terminals.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from mlx_runtime.cluster.run import KILLED, exit_status, say, variable
from mlx_specs.annotations import STOPPED

TIMEOUT = 10
LOOK = 60.0
"""Seconds between two looks, where the spec leaves that much time."""


def main() -> int:
    """``--server`` is the notebook's own address within the pod, ``--seconds`` how long nothing may happen."""
    parser = argparse.ArgumentParser(prog="mlx-stop-idle", allow_abbrev=False)
    parser.add_argument("--server", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED))
    return exit_status(lambda: _watch(given.server, given.seconds), str)


def _watch(server: str, seconds: float) -> None:
    """Until the pod ends: that is what stopping comes to."""
    session = requests.Session()
    session.trust_env = False  # a proxy would be asked for the pod itself
    seen, told, never = time.time(), "", threading.Event()
    while not never.wait(min(LOOK, seconds / 4)):
        try:
            seen = max(seen, last_activity(session, server, time.time()))
            if time.time() - seen >= seconds:
                _stop(session)
                say(f"nothing has happened for {seconds:.0f} s: stopped")
            told = ""
        except requests.RequestException as error:
            told = _say_once(f"{error}; asking again", told)


def _say_once(line: str, told: str) -> str:
    if line != told:
        say(line)
    return line


def last_activity(session: requests.Session, server: str, now: float) -> float:
    """The moment in seconds since 1970 at which something last happened there; 0 where nothing runs. Raises ``requests.RequestException``."""
    kernels, terminals = _asked(session, f"{server}/api/kernels"), _asked(session, f"{server}/api/terminals")
    if any(kernel.get("execution_state") == "busy" for kernel in kernels):
        return now
    return max((datetime.fromisoformat(each["last_activity"]).timestamp() for each in (*kernels, *terminals)), default=0.0)


def _asked(session: requests.Session, url: str) -> Sequence[Mapping[str, Any]]:
    answer = session.get(url, timeout=TIMEOUT)
    if answer.status_code == requests.codes.not_found:
        return ()  # a server without terminals
    answer.raise_for_status()
    return answer.json()


def _stop(session: requests.Session) -> None:
    api = f"https://{variable('KUBERNETES_SERVICE_HOST', 'Kubernetes')}:{variable('KUBERNETES_SERVICE_PORT', 'Kubernetes')}"
    namespace, name = variable("MLX_NAMESPACE", "the Notebook"), variable("MLX_NOTEBOOK", "the Notebook")
    account = Path(variable("MLX_ACCOUNT", "the Notebook"))
    answer = session.patch(
        f"{api}/apis/kubeflow.org/v1/namespaces/{namespace}/notebooks/{name}",
        json={"metadata": {"annotations": {STOPPED: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}}},
        headers={"Authorization": f"Bearer {(account / 'token').read_text()}", "Content-Type": "application/merge-patch+json"},
        verify=str(account / "ca.crt"),
        timeout=TIMEOUT,
    )
    answer.raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
