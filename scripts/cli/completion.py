"""`everlog completion SHELL`: what lets bash, zsh or fish complete `everlog`, and the answer when they ask.

They run `everlog` with the line so far in the environment; argcomplete finds what may follow, out of the same parsers
that read the command line. Names that only the node knows come from `scripts.console.completing`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from scripts.cli.deeds import line_so_far
from scripts.node.programs import Program

__all__ = ["add_arguments", "complete", "run", "words_so_far"]

_SHELLS = {
    "bash": "source <(everlog completion bash)      # in ~/.bashrc",
    "zsh": "source <(everlog completion zsh)       # in ~/.zshrc, behind compinit",
    "fish": "everlog completion fish | source       # in ~/.config/fish/config.fish",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog completion` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    lines = "\n".join(f"  {line}" for line in _SHELLS.values())
    parser.epilog = f"For all shells that you start from now on:\n{lines}"
    parser.add_argument("shell", choices=tuple(_SHELLS), metavar="SHELL", help=", ".join(_SHELLS))


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Print it."""
    from argcomplete.shell_integration import shellcode

    print(f"# {_SHELLS[arguments.shell]}")
    print(shellcode(["everlog"], shell=arguments.shell).strip())
    return 0


def words_so_far() -> list[str]:
    """Behind `everlog`."""
    return line_so_far().split()[1:]


def complete(parser: argparse.ArgumentParser) -> None:
    """Tell the shell what may follow, and end."""
    import argcomplete
    from argcomplete.completers import SuppressCompleter

    # Options only behind a dash; and no names of files of ours, for shells complete these where we know nothing.
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=SuppressCompleter())
