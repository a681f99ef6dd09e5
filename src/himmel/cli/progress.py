"""The progress bar.

Owns: how progress looks. It goes to stderr, and only to a terminal: stdout and log files stay clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from himmel.spec import Progress


class Bar:
    """One bar for one piece of work."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.task = bars.add_task("loading", total=None)

    def show(self, progress: Progress) -> None:
        """Move to this point."""
        self.bars.update(self.task, completed=progress.done, total=progress.total, description=progress.stage)


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """A bar that is on the screen inside the block, and gone after it; print nothing else inside."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # Without the redirection of rich, which would send what is meant for stdout to stderr.
    with Bars(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bars:
        yield Bar(bars)
