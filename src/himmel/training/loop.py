"""What every training run shares: the optimisers, the average of the weights, the clock, stop and resume.

Owns: stepping, scheduling, logging, checkpoints with optimiser state. Knows nothing of what is trained.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from himmel.training.muon import GroupedMuon, flops_of_orthogonal
from himmel.training.utilisation import Meter, uncompiled

SAVE_EVERY_SECONDS = 120.0
LOG_EVERY_STEPS = 50
SHOW_EVERY_STEPS = 10  # on a graphics card: whoever looks at the loss waits for it
STATE, LOG = "state.safetensors", "log.jsonl"
MODEL, AVERAGE = "model/", "average/"  # beginnings of the names of tensors in a state


@dataclass(frozen=True)
class Recipe:
    """One sitting of training: how long, how fast, where it is kept.

    ``minutes`` of wall clock; the last ``cooldown`` share of them lets the learning rates fall to a
    twentieth (warm-up, stable, decay: Hu et al. 2024), so that another sitting can go on from here.
    """

    folder: Path
    minutes: float
    muon_rate: float = 0.006
    adam_rate: float = 1e-3
    cooldown: float = 0.3
    warmup_steps: int = 60
    average: float = 0.996

    def rate(self, share: float, step: int) -> float:
        """Factor on the learning rates after a ``share`` 0 … 1 of the minutes."""
        steady = not self.cooldown or share < 1 - self.cooldown
        fall = 1.0 if steady else max(0.05, (1 - share) / self.cooldown)
        return min(1.0, (step + 1) / self.warmup_steps) * fall


class Run:
    """A model under training with everything that a later sitting needs to go on.

    ``averaged`` is the exponential moving average of the weights: what is evaluated and shipped.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.step, self.seconds = 0, 0.0
        self.remembered_from = 0  # the step from which on the optimisers have seen gradients
        self.device = next(model.parameters()).device
        card = self.device.type == "cuda"
        if card:
            _compile_many_shapes()
        named = dict(model.named_parameters())
        learned = {name: p for name, p in named.items() if p.requires_grad}
        matrices = [p for name, p in learned.items() if _is_matrix(name, p)]
        rest = [p for name, p in learned.items() if not _is_matrix(name, p)]
        self.optimisers: list[torch.optim.Optimizer] = [
            # Muon (Jordan et al. 2024) for the matrices inside, AdamW for embeddings, gains and biases.
            (GroupedMuon if card else torch.optim.Muon)(matrices, lr=recipe.muon_rate, weight_decay=0.01),
            torch.optim.AdamW(rest, lr=recipe.adam_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=card),
        ]
        self.orthogonalising = sum(flops_of_orthogonal(*p.shape) for p in matrices)
        self.averaged = {name: p.detach().clone() for name, p in named.items()}
        recipe.folder.mkdir(parents=True, exist_ok=True)
        self.file, self.log = recipe.folder / STATE, recipe.folder / LOG
        if self.file.exists():
            self._resume()

    def restart_from_average(self) -> None:
        """Put the averaged weights, which are what others build on, in the place of the live ones."""
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(self.averaged[name])

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """For a while the model has its averaged weights, keeps no gradients, and runs uncompiled."""
        self._swap()
        try:
            with torch.inference_mode(), uncompiled():
                yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.data, self.averaged[name] = self.averaged[name], parameter.data

    def train(self, loss_of: Callable[[int], Tensor], measure: Callable[[], dict[str, float]]) -> None:
        """Step until the minutes are over or Ctrl-C; ``loss_of(step)`` gives a loss to descend.

        However few the minutes are, one step is made; none where they are 0.

        ``measure`` is asked whenever the state is kept; its figures go to the log.
        """
        meter, clock, began = Meter(self.device), _Clock(self.recipe.minutes), self.step
        looks = SHOW_EVERY_STEPS if self.device.type == "cuda" else 1
        smooth = torch.tensor(float("nan"), device=self.device)
        with _progress() as bar, meter.running():
            task = bar.add_task("training", total=clock.budget, note="")
            try:
                while clock.share < 1 or (clock.budget and self.step == began):
                    with meter.part("forward and backward"):
                        loss = loss_of(self.step)
                        loss.backward()
                    with meter.part("optimiser"):
                        meter.computed(self.orthogonalising)
                        self._advance(self.recipe.rate(clock.share, self.step - self.remembered_from))
                    smooth = torch.where(smooth.isnan(), loss.detach(), torch.lerp(smooth, loss.detach(), 0.02))
                    if self.step % looks == 0:
                        bar.update(task, completed=clock.spent, note=f"step {self.step}, loss {smooth.item():.4f}")
                    if self.step % LOG_EVERY_STEPS == 0:
                        self._note({"loss": smooth.item()}, clock)
                    if clock.due(SAVE_EVERY_SECONDS):
                        self._note(self._keep(measure, clock, meter), clock)
            except KeyboardInterrupt:
                bar.console.print("stopped; the state is kept, and the next run goes on from it")
            figures = self._keep(measure, clock, meter)
            report = meter.report()
            self._note(figures | report.figures(), clock)
            bar.console.print(report.table(), markup=False, highlight=False, soft_wrap=True)

    def _keep(self, measure: Callable[[], dict[str, float]], clock: _Clock, meter: Meter) -> dict[str, float]:
        with meter.part("measuring"):
            figures = measure()
        with meter.part("saving"):
            self.seconds += clock.lap()
            self.save_now()
        return figures

    def _advance(self, rate: float) -> None:
        """Descend the gradients that are there."""
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser, full in zip(self.optimisers, (self.recipe.muon_rate, self.recipe.adam_rate), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = full * rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        keep = min(self.recipe.average, self.step / (self.step + 10))
        live = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(list(self.averaged.values()), live, 1 - keep)

    def save_now(self) -> None:
        """Keep weights, their average and the optimisers' state; the file appears whole or not at all."""
        tensors = {MODEL + name: p.detach() for name, p in self.model.named_parameters()}
        tensors |= {AVERAGE + name: p for name, p in self.averaged.items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{number}/{index}/{key}": value for key, value in state.items()}
        keep_state(self.file, tensors, {"step": str(self.step), "seconds": str(self.seconds)})

    def _resume(self) -> None:
        with safe_open(self.file, framework="pt") as file:
            meta = file.metadata()
            self.step, self.seconds = int(meta["step"]), float(meta["seconds"])
            for name, p in self.model.named_parameters():
                p.data.copy_(file.get_tensor(MODEL + name))
                self.averaged[name].copy_(file.get_tensor(AVERAGE + name))
            for number, optimiser in enumerate(self.optimisers):
                state: dict[int, dict[str, Tensor]] = {}
                for key in file.keys():  # noqa: SIM118 - it is no dict
                    kind, *path = key.split("/")
                    if kind == "optimiser" and path[0] == str(number):
                        state.setdefault(int(path[1]), {})[path[2]] = file.get_tensor(key)
                optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
                if not state:  # it was left behind: rates rise again while it fills
                    self.remembered_from = self.step

    def _note(self, figures: Mapping[str, Any], clock: _Clock) -> None:
        with self.log.open("a") as log:
            log.write(
                json.dumps({"step": self.step, "seconds": round(self.seconds + clock.lapped, 1), **figures}) + "\n"
            )


def keep_state(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a state; the file appears whole or not at all."""
    part = path.with_suffix(".part")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part, metadata=metadata)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(path)


def _compile_many_shapes() -> None:
    """Lengths of clips, what is known of them, teacher and student: more kinds of step than are compiled by default."""
    import torch._dynamo.config

    torch._dynamo.config.recompile_limit = 64


class _Clock:
    """Wall-clock minutes of one sitting, and of its laps between two savings."""

    def __init__(self, minutes: float) -> None:
        self.budget = minutes * 60
        self.started = self.lap_started = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self.started

    @property
    def share(self) -> float:
        return self.spent / self.budget if self.budget else 1.0

    @property
    def lapped(self) -> float:
        return time.monotonic() - self.lap_started

    def due(self, seconds: float) -> bool:
        return self.lapped > seconds

    def lap(self) -> float:
        seconds, self.lap_started = self.lapped, time.monotonic()
        return seconds


def _is_matrix(name: str, parameter: Tensor) -> bool:
    """Matrices that map features to features; embeddings and what touches pixels or noise are not."""
    return parameter.ndim == 2 and "embed" not in name


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
