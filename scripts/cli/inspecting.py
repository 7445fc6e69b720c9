"""Arguments that the verbs which look into data have in common."""

from __future__ import annotations

import argparse

from shared.ids import decode_invocation_id

__all__ = ["add_partition", "add_source", "invocation_id", "lsn", "number"]


def add_source(parser: argparse.ArgumentParser) -> None:
    """`--data-dir`: what is looked into."""
    parser.add_argument(
        "--data-dir",
        metavar="D",
        help="a node's data directory, running or stopped; an exported snapshot; a store's folder "
        "(default: ./everlog-data)",
    )


def add_partition(parser: argparse.ArgumentParser) -> None:
    """`--partition`: one of them."""
    parser.add_argument("--partition", type=number, metavar="P", help="only this partition (default: all)")


def number(text: str) -> int:
    """Of a partition."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a partition")
    return int(text)


def lsn(text: str) -> int:
    """A place in the log."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no LSN: a number from 1")
    return int(text)


def invocation_id(text: str) -> bytes:
    """`inv_1…`."""
    try:
        return decode_invocation_id(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no invocation id: {error}") from error
