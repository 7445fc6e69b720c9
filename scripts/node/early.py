"""Programs that are forked before supervisord is there to do it. Owns: those forks, until each is a program.

supervisord takes as long to import its own modules as one that has the most to import, and a second core is idle
meanwhile. So the process that will be supervisord forks that program first, which imports, and waits to be told what it
is: a child of supervisord like any other, but for a session of its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping, Sequence

from scripts.node.child import begin_program, end_with_parent, import_as_a_program, put_aside
from scripts.node.forked import Ahead, Main, fork_ahead
from scripts.node.warm import Warm
from shared.descriptors import allow_many

__all__ = ["Early"]


class Early:
    """The forks, by the modules of their programs. Each is for the first start of its program alone."""

    def __init__(self, modules: Iterable[str]) -> None:
        """Ordering: no thread runs, and nothing that the programs share is still to be imported."""
        parent = os.getpid()
        self._forks: dict[str, Ahead] = {module: _fork(module, parent) for module in modules}

    @property
    def descriptors(self) -> list[int]:
        """What is open for them."""
        return [fork.descriptor for fork in self._forks.values()]

    def become(
        self, module: str, arguments: Sequence[str], added: Mapping[str, str], standard: Sequence[int], lock: int
    ) -> int | None:
        """The program of this command line, with `added` to the environment and `standard` as its stdin, stdout and
        stderr; its pid. None: there is no fork for it."""
        fork = self._forks.pop(module, None)
        forked = fork.become([list(arguments), dict(added)], [*standard, lock]) if fork is not None else None
        return None if forked is None else forked.pid


def _fork(module: str, parent: int) -> Ahead:
    def prepare() -> Main:
        # Until it is a program it has nothing to lose, and nobody who would end it.
        end_with_parent(parent, signal.SIGKILL)
        # At once: supervisord signals the group of a program, from its first moment on.
        os.setsid()
        # First: it finds the place of the title by an environment that nobody has touched.
        warm = Warm()
        import_as_a_program()
        allow_many()
        warm.prepare(module)
        if module not in warm:
            raise ImportError(module)

        def main(what: tuple[list[str], dict[str, str]], descriptors: list[int]) -> None:
            arguments, added = what
            *standard, lock = descriptors
            for target, source in enumerate(standard):
                os.dup2(source, target)
                os.close(source)
            put_aside(lock)
            begin_program(parent)
            warm.become(module, arguments, os.environ | added)

        return main

    return fork_ahead(prepare)
