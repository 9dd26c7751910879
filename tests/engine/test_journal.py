# pyright: reportPrivateUsage=false
"""When what a run has begun is written, and what happens where it cannot be."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mlx_engine.embedded.gates import Gate, Turns
from mlx_engine.embedded.journal import Journal
from mlx_engine.state.checkpoint import Snapshot
from mlx_engine.state.resource import Resource

Begin = Callable[[Resource], "Future[None]"]


class Disk:
    """Keeps which operations each write had; stops before the first one until it is let go on."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.fault: Exception | None = None
        self.reached, self.may_go_on = Gate(), Gate()

    def __call__(self, snapshot: Snapshot) -> None:
        if not self.written:
            self.reached.open()
            self.may_go_on.wait()
        if self.fault:
            raise self.fault
        self.written.append(names([operation.resource for operation in snapshot.pending]))


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def names(resources: Sequence[Resource]) -> list[str]:
    return sorted(resource.urn for resource in resources)


def named(name: str) -> Resource:
    return Resource(urn=name, type="files:index:File", custom=True)


def wait_for(journal: Journal, beginning: int) -> None:
    """Until so many operations wait to be on disk."""
    writer = journal._writer
    assert writer
    while len(writer._beginning) < beginning:
        pass


def test_an_operation_begins_when_it_is_on_disk_and_those_that_came_meanwhile_share_one_write(disk: Disk, threads: ThreadPoolExecutor) -> None:
    journal, first, others = Journal([], {}, disk, parallel=1), named("first"), [named(f"{number}") for number in range(10)]
    begun = threads.submit(journal.begin, "creating", first)
    disk.reached.wait()
    together = [threads.submit(journal.begin, "creating", other) for other in others]
    wait_for(journal, 11)
    assert not begun.done()
    disk.may_go_on.open()
    begun.result()
    for one in together:
        one.result()
    assert disk.written == [disk.written[0], names([first, *others])]
    journal.close()


def test_while_enough_operations_run_another_one_waits_until_one_has_ended(disk: Disk, threads: ThreadPoolExecutor) -> None:
    disk.may_go_on.open()
    journal, running, others = Journal([], {}, disk, parallel=1), [named("a"), named("b")], [named("c"), named("d")]
    for one in running:
        journal.begin("creating", one)
    assert disk.written == [["a"], ["a", "b"]]
    waiting = [threads.submit(journal.begin, "creating", other) for other in others]
    wait_for(journal, 2)
    assert not any(one.done() for one in waiting)
    journal.keep(running[0], ends=running[0])
    for one in waiting:
        one.result()
    assert disk.written[2:] == [["b", "c", "d"]]
    journal.close()


def test_a_fault_of_the_disk_is_raised_by_all_who_wait_and_all_who_come_later(disk: Disk, threads: ThreadPoolExecutor) -> None:
    disk.fault = OSError("no room")
    journal = Journal([], {}, disk, parallel=1)
    first = threads.submit(journal.begin, "creating", named("a"))
    disk.reached.wait()
    second = threads.submit(journal.begin, "creating", named("b"))
    wait_for(journal, 2)
    disk.may_go_on.open()
    for one in (first.result, second.result, lambda: journal.begin("creating", named("c")), journal.close):
        with pytest.raises(OSError, match="no room"):
            one()


def test_turns_are_taken_in_the_order_in_which_they_were_drawn(threads: ThreadPoolExecutor) -> None:
    turns, taken = Turns(), list[int]()
    drawn = [turns.draw() for _ in range(8)]

    def take(number: int) -> None:
        with drawn[number].taken():
            taken.append(number)

    for done in [threads.submit(take, number) for number in (7, 3, 5, 1, 6, 4, 2, 0)]:
        done.result()
    assert taken == list(range(8))


def test_a_turn_that_fails_lets_the_next_one_come() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="of its own"), turns.draw().taken():
        raise ValueError("of its own")
    with turns.draw().taken():
        pass
