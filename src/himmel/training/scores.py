"""Scores: readings of many clips to the figures that a model is known by.

Owns: which figures there are, their JSON and their table. Knows nothing of models, pixels and oracles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table

from himmel.training.metrics import Proportion, agreement, shuffled_agreement, spread
from himmel.training.questions import asked_for, truth
from himmel.training.suites import SCORED, Plan, Task
from himmel.world.vocabulary import Vocabulary

GENERATED, REAL, RECONSTRUCTED = "generated", "real", "reconstructed"
BY_LANGUAGE = ("noun", "setting", "motion")


@dataclass(frozen=True)
class Record:
    """What was read off one clip. ``source`` is one of the three above; ``key`` is its task's.

    ``flicker`` in 8-bit levels (of still scenes only), ``seam`` a ratio, ``psnr`` in dB (of reconstructions),
    ``picture_psnr`` in dB (of first frames made from a picture, against that picture as it was given).
    """

    source: str
    key: str
    answers: Mapping[str, str]
    embedding: Sequence[float]
    seam: float
    flicker: float | None = None
    psnr: float | None = None
    picture_psnr: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One question in one suite: how often generated clips, real ones and reconstructions are read rightly."""

    suite: str
    question: str
    generated: Proportion
    real: Proportion
    reconstructed: Proportion | None
    shuffled: float
    chance: float

    @property
    def ratio(self) -> float:
        """Of the ceiling, which is what is read off real clips of the same scenes."""
        return self.generated.value / self.real.value if self.real.hits else math.nan

    def as_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "question": self.question,
            "clips": self.generated.of,
            "generated": round(self.generated.value, 4),
            "interval": [round(bound, 4) for bound in self.generated.interval],
            "real": round(self.real.value, 4),
            "reconstructed": round(self.reconstructed.value, 4) if self.reconstructed else None,
            "of_ceiling": _number(self.ratio),
            "shuffled": _number(self.shuffled),
            "chance": round(self.chance, 4),
        }


Records = Mapping[tuple[str, str], Record]  # by source and task key


def rows(vocabulary: Vocabulary, tasks: Sequence[Task], records: Records) -> list[Row]:
    """The table: every suite's questions, and the main ones again by the prompt's language."""
    found = []
    for suite, questions in SCORED.items():
        of_suite = [task for task in tasks if task.suite == suite]
        found += [_row(suite, question, vocabulary, of_suite, records) for question in questions]
    for language in ("en", "de", "ja"):
        spoken = [task for task in tasks if task.suite == "single" and task.language == language]
        found += [_row(f"single, {language}", question, vocabulary, spoken, records) for question in BY_LANGUAGE]
    return [row for row in found if row is not None]


def _row(suite: str, question: str, vocabulary: Vocabulary, tasks: Sequence[Task], records: Records) -> Row | None:
    """None where no scene asks this, or there is only one possible answer."""
    choices = _choices(vocabulary).get(question, 1)
    true = {task.key: truth(task.scene).get(question) for task in tasks}
    asked = {key: answer for key, answer in true.items() if answer is not None and asked_for(question, answer)}
    if not asked or choices < 2:
        return None

    def read(source: str) -> list[str]:
        return [records[source, key].answers[question] for key in asked if (source, key) in records]

    answers = list(asked.values())
    reconstructed = read(RECONSTRUCTED)
    return Row(
        suite=suite,
        question=question,
        generated=agreement(read(GENERATED), answers),
        real=agreement(read(REAL), answers),
        reconstructed=agreement(reconstructed, answers) if reconstructed else None,
        # Whether the steps came in order can only be asked of a clip's own two steps.
        shuffled=math.nan if question == "order" else shuffled_agreement(read(GENERATED), answers),
        chance=1 / choices,
    )


def _choices(v: Vocabulary) -> dict[str, int]:
    motions, nouns = len(v.motions), len(v.nouns)
    return {
        "noun": nouns,
        "setting": len(v.settings),
        "motion": motions,
        "style": len(v.styles),
        "light": len(v.lights),
        "weather": len(v.weathers),
        "camera": len(v.cameras),
        "colour": len(v.colours) + 1,
        "size": len(v.sizes),
        "count": v.max_count,
        "relation": len(v.relations),
        "former": nouns,
        "latter": nouns,
        "order": 2,
        "first": motions,
        "then": motions,
    }


def clip_figures(plan: Plan, tasks: Sequence[Task], records: Records) -> dict[str, dict[str, float | None]]:
    """Flicker, seam ratio, diversity, PSNR and seconds per clip, for each source that was measured."""
    figures = {}
    for source in (GENERATED, REAL, RECONSTRUCTED):
        mine = {task.key: records[source, task.key] for task in tasks if (source, task.key) in records}
        if not mine:
            continue
        moving = [record.seam for key, record in mine.items() if key.startswith("single")]
        figures[source] = {
            "flicker": _mean([record.flicker for record in mine.values()]),
            "seam": _mean(moving),
            "psnr": _mean([record.psnr for record in mine.values()]),
            "picture_psnr": _mean([record.picture_psnr for record in mine.values()]),
            "seconds_per_clip": _mean([record.seconds for record in mine.values()]),
            **_diversity(plan, [record for key, record in mine.items() if key.startswith("varied")]),
        }
    return figures


def _diversity(plan: Plan, varied: Sequence[Record]) -> dict[str, float | None]:
    """Distances in the oracle's eyes: between seeds of one prompt, between prompts, and the first by the second."""
    if len(varied) < 2 * plan.seeds_per_prompt or plan.seeds_per_prompt < 2:
        return {}
    points = torch.tensor([record.embedding for record in varied]).unflatten(0, (-1, plan.seeds_per_prompt))
    seeds, prompts = spread(points)
    return {"between_seeds": _number(seeds), "between_prompts": _number(prompts), "diversity": _number(seeds / prompts)}


def as_json(rows: Sequence[Row], figures: Mapping[str, Any], plan: Plan, about: Mapping[str, Any]) -> dict[str, Any]:
    """All of it as JSON can hold it; ``about`` says what was measured, with what."""
    return {**about, "plan": asdict(plan), "rows": [row.as_json() for row in rows], "clips": figures}


def table(rows: Sequence[Row], title: str) -> Table:
    """The rows for people, percentages with their 95 % interval."""
    drawn = Table(title=title)
    drawn.add_column("suite")
    drawn.add_column("question")
    for head in ("clips", "generated", "95 %", "real", "reconstr.", "of ceiling", "shuffled", "chance"):
        drawn.add_column(head, justify="right")
    for row in rows:
        low, high = row.generated.interval
        drawn.add_row(
            row.suite,
            row.question,
            str(row.generated.of),
            _percent(row.generated.value),
            f"{100 * low:.0f}–{100 * high:.0f}",
            _percent(row.real.value),
            _percent(row.reconstructed.value if row.reconstructed else math.nan),
            _percent(row.ratio),
            _percent(row.shuffled),
            _percent(row.chance),
        )
    return drawn


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return _number(sum(known) / len(known)) if known else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
