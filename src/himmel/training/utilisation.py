"""Where a sitting's time goes, and how much of what the device can do is used.

Owns: the meter of one sitting, its table, the measuring of a device's rate. Knows nothing of what is trained: others
say which part of the work they are at (``part``), and what one example of it computes (``counted``). Where no meter
runs, both do nothing.

Floating-point operations are those of matrices, convolutions and attention, as ``torch.utils.flop_counter`` counts
them: the attention's mask spares none. They are counted once for every shape, on one example, without compiling.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

NEW_SHAPE = "first steps of a shape"  # where compiling happens


@dataclass
class Row:
    """One part of the work: ``seconds`` without those of parts within it, and what was computed.

    ``beside`` says that it ran beside the training, on a thread of its own.
    """

    seconds: float = 0.0
    flops: float = 0.0
    beside: bool = False


@dataclass(frozen=True)
class Report:
    """A sitting: its ``seconds``, its parts, and the ``rate`` in FLOP/s at which its device multiplies matrices."""

    rows: dict[str, Row]
    seconds: float
    rate: float

    @property
    def utilisation(self) -> float:
        """Share of the device's rate that was achieved over the whole sitting, 0 … 1."""
        return sum(row.flops for row in self.rows.values()) / (self.seconds * self.rate)

    def figures(self) -> dict[str, Any]:
        """For a log: what ``table`` shows, as JSON can hold it."""
        return {
            "utilisation": _short(self.utilisation),
            "tflops_of_device": _short(self.rate / 1e12),
            "spent": {name: round(row.seconds, 2) for name, row in self.rows.items()},
            "tflop": {name: _short(row.flops / 1e12) for name, row in self.rows.items() if row.flops},
        }

    def table(self) -> str:
        """A table to read: parts of the work, those beside it last."""
        lines = [
            "| part | seconds | share | TFLOP | of the device's rate |",
            "|---|---|---|---|---|",
        ]
        for name, row in sorted(self.rows.items(), key=lambda item: (item[1].beside, -item[1].seconds)):
            called, share = name + " (beside)" * row.beside, row.seconds / self.seconds
            computed = f"{row.flops / 1e12:.2f} | {self._share(row.flops, row.seconds)}" if row.flops else "|"
            lines.append(f"| {called} | {row.seconds:.1f} | {share:.0%} | {computed} |")
        flops = sum(row.flops for row in self.rows.values())
        lines.append(
            f"| all | {self.seconds:.1f} | 100% | {flops / 1e12:.2f} | {self._share(flops, self.seconds)} "
            f"of {self.rate / 1e12:.2f} TFLOP/s |"
        )
        return "\n".join(lines)

    def _share(self, flops: float, seconds: float) -> str:
        return f"{flops / (seconds * self.rate):.1%}" if seconds > 0 else ""


@dataclass
class Meter:
    """Measures one sitting on one device. ``mark`` and ``between`` are the clock, which tests replace.

    On a graphics card marks are events in the queue of its work, so that measuring waits for nothing.
    """

    device: torch.device
    rows: dict[str, Row] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self._known: dict[Hashable, float] = {}
        self._threads = threading.local()
        self._lock = threading.Lock()
        self._open: list[tuple[str, str | None, bool, Any, Any]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """While it lasts, this is the meter that ``part`` and ``counted`` write to."""
        global _meter  # noqa: PLW0603 - one process trains one model
        before, _meter = _meter, self
        try:
            yield
        finally:
            _meter = before

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done meanwhile belongs to this part, and not to the part around it."""
        stack = self._stack()
        begun = self.mark()
        stack.append(name)
        try:
            yield
        finally:
            called = stack.pop()  # ``counted`` may have given it another name
            beside = threading.current_thread() is not threading.main_thread()
            with self._lock:
                self._open.append((called, stack[-1] if stack else None, beside, begun, self.mark()))
                self._settle()

    def counted(self, shape: Hashable, examples: int, one: Callable[[], Tensor]) -> None:
        """So many examples of a ``shape`` are computed; ``one`` computes a single one, where it is new.

        What ``one`` returns is descended, if it can be, so that the way back is counted too.
        """
        stack = self._stack()
        if shape not in self._known:
            self._known[shape] = flops_of(one)
            if stack:
                stack[-1] = NEW_SHAPE
        self.computed(examples * self._known[shape])

    def computed(self, flops: float) -> None:
        """So many floating-point operations belong to the part that is open."""
        stack = self._stack()
        with self._lock:
            self._row(stack[-1] if stack else "other").flops += flops

    def report(self) -> Report:
        """Of all until now; waits for what the device still computes, then measures its rate."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        with self._lock:
            self._settle()
            seconds = time.perf_counter() - self.started
            covered = sum(row.seconds for row in self.rows.values() if not row.beside)
            self._row("other").seconds += max(0.0, seconds - covered)
            rows = {name: Row(max(0.0, row.seconds), row.flops, row.beside) for name, row in self.rows.items()}
        return Report(rows, seconds, matrix_rate(self.device))

    def mark(self) -> Any:
        """This moment of the calling thread's work."""
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, begun: Any, ended: Any) -> float | None:
        """Seconds between two marks, or None where the device has not come so far."""
        if self.device.type != "cuda":
            return float(ended - begun)
        return float(begun.elapsed_time(ended)) / 1000 if ended.query() else None

    def _stack(self) -> list[str]:
        if not hasattr(self._threads, "stack"):
            self._threads.stack = []
        stack: list[str] = self._threads.stack
        return stack

    def _settle(self) -> None:
        waiting = []
        for name, around, beside, begun, ended in self._open:
            seconds = self.between(begun, ended)
            if seconds is None:
                waiting.append((name, around, beside, begun, ended))
                continue
            row = self._row(name)
            row.seconds, row.beside = row.seconds + seconds, beside
            if around is not None:
                self._row(around).seconds -= seconds
        self._open = waiting

    def _row(self, name: str) -> Row:
        return self.rows.setdefault(name, Row())


_meter: Meter | None = None


@contextmanager
def part(name: str) -> Iterator[None]:
    """``Meter.part`` of the meter that runs."""
    if _meter is None:
        yield
    else:
        with _meter.part(name):
            yield


def counted(shape: Hashable, examples: int, one: Callable[[], Tensor]) -> None:
    """``Meter.counted`` of the meter that runs."""
    if _meter is not None:
        _meter.counted(shape, examples, one)


def flops_of(one: Callable[[], Tensor]) -> float:
    """Floating-point operations of a function and, where what it returns has a gradient, of the way back.

    Uncompiled, whatever is compiled in it; leaves random numbers and gradients as they were.
    """
    with torch.random.fork_rng(), uncompiled(), _Counting() as counting:
        made = one()
        if made.requires_grad:
            leaves = _leaves(made)
            torch.autograd.grad(made.sum(), leaves, allow_unused=True)
    return counting.flops


def uncompiled() -> AbstractContextManager[None]:
    """In which nothing compiled is used, and nothing is compiled for what comes but once."""
    compiles = "torch._dynamo" in sys.modules  # what is not even loaded (it takes seconds) compiles nothing
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


def matrix_rate(device: torch.device) -> float:
    """FLOP/s at which a device multiplies large matrices in bfloat16: the median of nine measurements."""
    side, repeats = (8192, 10) if device.type == "cuda" else (512, 1)
    one, other = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    seconds = []
    for _ in range(10):
        _finish(device)
        begun = time.perf_counter()
        for _ in range(repeats):
            one @ other
        _finish(device)
        seconds.append(time.perf_counter() - begun)
    return 2 * side**3 * repeats / median(seconds[1:])


class _Counting(TorchDispatchMode):
    """Counts as ``torch.utils.flop_counter.FlopCounterMode``, without its hooks, which see other threads too."""

    flops = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry and func is not torch.ops.prim.device.default:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        out = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **kwargs, out_val=out)
        return out


def _leaves(made: Tensor) -> list[Tensor]:
    """The parameters that a tensor was computed from."""
    found, seen, queue = [], set(), [made.grad_fn]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        queue += [following for following, _ in node.next_functions]
    return found


def _short(number: float) -> float:
    return float(f"{number:.3g}")


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
