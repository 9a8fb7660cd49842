"""The program ``seealoud``; it handles signals before anything that takes time is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from device.ending_signals import noted_signals

TYPE_CHECKING = False  # as in ``typing``, whose import would take a third of the time until then
if TYPE_CHECKING:
    from device.commands.run_describe import DescribeParts


def main(argv: Sequence[str] | None = None, parts: DescribeParts | None = None) -> int:
    """Run the program and return its exit code.

    Args:
        argv: the arguments; by default those of the process.
        parts: replaces the real parts in tests.
    """
    with noted_signals():
        from device.commands.program import run_program

        return run_program(argv, parts)


if __name__ == "__main__":
    sys.exit(main())
