"""What every training run shares: the optimisers, the average of the weights, the clock, stop and resume.

Owns: stepping, scheduling, logging, checkpoints with optimiser state. Knows nothing of what is trained.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

SAVE_EVERY_SECONDS = 120.0
LOG_EVERY_STEPS = 50


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
        fall = 1.0 if share < 1 - self.cooldown else max(0.05, (1 - share) / self.cooldown)
        return min(1.0, (step + 1) / self.warmup_steps) * fall


class Run:
    """A model under training with everything that a later sitting needs to go on.

    ``averaged`` is the exponential moving average of the weights: what is evaluated and shipped.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.step, self.seconds = 0, 0.0
        named = dict(model.named_parameters())
        learned = {name: p for name, p in named.items() if p.requires_grad}
        matrices = [p for name, p in learned.items() if _is_matrix(name, p)]
        rest = [p for name, p in learned.items() if not _is_matrix(name, p)]
        self.optimisers: list[torch.optim.Optimizer] = [
            # Muon (Jordan et al. 2024) for the matrices inside, AdamW for embeddings, gains and biases.
            torch.optim.Muon(matrices, lr=recipe.muon_rate, weight_decay=0.01),
            torch.optim.AdamW(rest, lr=recipe.adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.averaged = {name: p.detach().clone() for name, p in named.items()}
        recipe.folder.mkdir(parents=True, exist_ok=True)
        self.file, self.log = recipe.folder / "state.safetensors", recipe.folder / "log.jsonl"
        if self.file.exists():
            self._resume()

    def restart_from_average(self) -> None:
        """Put the averaged weights, which are what others build on, in the place of the live ones."""
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(self.averaged[name])

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """For a while the model has its averaged weights, and no gradients are kept."""
        self._swap()
        try:
            with torch.inference_mode():
                yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.data, self.averaged[name] = self.averaged[name], parameter.data

    def train(self, loss_of: Callable[[int], Tensor], measure: Callable[[], dict[str, float]]) -> None:
        """Step until the minutes are over or Ctrl-C; ``loss_of(step)`` gives a step's loss to descend.

        ``measure`` is asked whenever the state is kept; its figures go to the log.
        """
        clock = _Clock(self.recipe.minutes)
        smooth = float("nan")
        with _progress() as bar:
            task = bar.add_task("training", total=clock.budget, note="")
            try:
                while clock.share < 1:
                    loss = self._advance(loss_of(self.step), self.recipe.rate(clock.share, self.step))
                    smooth = loss if smooth != smooth else 0.98 * smooth + 0.02 * loss
                    bar.update(task, completed=clock.spent, note=f"step {self.step}, loss {smooth:.4f}")
                    if self.step % LOG_EVERY_STEPS == 0:
                        self._note({"loss": smooth}, clock)
                    if clock.due(SAVE_EVERY_SECONDS):
                        self._note(measure(), clock)
                        self._save(clock)
            except KeyboardInterrupt:
                bar.console.print("stopped; the state is kept, and the next run goes on from it")
        self._note(measure(), clock)
        self._save(clock)

    def _advance(self, loss: Tensor, rate: float) -> float:
        loss.backward()
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
        return loss.item()

    def save_now(self) -> None:
        """Keep weights, their average and the optimisers' state; the file appears whole or not at all."""
        tensors = {f"model/{name}": p.detach() for name, p in self.model.named_parameters()}
        tensors |= {f"average/{name}": p for name, p in self.averaged.items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{number}/{index}/{key}": value for key, value in state.items()}
        part = self.file.with_suffix(".part")
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            part,
            metadata={"step": str(self.step), "seconds": str(self.seconds)},
        )
        part.replace(self.file)

    def _save(self, clock: _Clock) -> None:
        self.seconds += clock.lap()
        self.save_now()

    def _resume(self) -> None:
        with safe_open(self.file, framework="pt") as file:
            meta = file.metadata()
            self.step, self.seconds = int(meta["step"]), float(meta["seconds"])
            for name, p in self.model.named_parameters():
                p.data.copy_(file.get_tensor(f"model/{name}"))
                self.averaged[name].copy_(file.get_tensor(f"average/{name}"))
            for number, optimiser in enumerate(self.optimisers):
                state: dict[int, dict[str, Tensor]] = {}
                for key in file.keys():  # noqa: SIM118 - it is no dict
                    kind, *path = key.split("/")
                    if kind == "optimiser" and path[0] == str(number):
                        state.setdefault(int(path[1]), {})[path[2]] = file.get_tensor(key)
                optimiser.load_state_dict({**optimiser.state_dict(), "state": state})

    def _note(self, figures: dict[str, float], clock: _Clock) -> None:
        with self.log.open("a") as log:
            log.write(
                json.dumps({"step": self.step, "seconds": round(self.seconds + clock.lapped, 1), **figures}) + "\n"
            )


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
        return self.spent / self.budget

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
