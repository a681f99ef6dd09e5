"""``himmel models``: which models are here, and which words they know.

Owns: how models and their words are shown.
"""

from __future__ import annotations

from typing import Annotated

import typer

from himmel.errors import HimmelError
from himmel.spec import ModelInfo, VideoRequest

models = typer.Typer(help="The models on this machine: size, licence, training, scores, words.")


@models.callback(invoke_without_command=True)
def _list(context: typer.Context) -> None:
    if context.invoked_subcommand is not None:
        return
    from himmel.backends.select import installed_models

    found = installed_models()
    if not found:
        raise HimmelError("no trained model is here; 'himmel train' makes one, and '--model fake' draws a test card")
    typer.echo("\n\n".join(map(_described, found)))


@models.command("words")
def words(
    model: Annotated[str, typer.Option(metavar="NAME", help="Whose words.")] = VideoRequest.model,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only words with these letters in them.")] = "",
) -> None:
    """Print the words that a model has learned."""
    from himmel.backends.select import words_of

    found = words_of(model).search(search)
    if not found:
        raise HimmelError(f"{model} knows no word with '{search}' in it; all of them: himmel models words")
    width = max(len(term.names["en"]) for term in found)
    for term in found:
        others = ", ".join(name for language, name in term.names.items() if language != "en")
        typer.echo(f"{term.kind:<8}  {term.names['en']:<{width}}  {others}")


def _described(info: ModelInfo) -> str:
    scores = ", ".join(f"{name} {value:g}" for name, value in info.scores.items())
    lines = {
        "size": f"{info.parameters / 1e6:.1f} million parameters",
        "native": f"{info.native_size} pixels, {info.native_fps} frames a second",
        "vocabulary": f"{info.vocabulary_size} words",
        "licence": info.licence,
        "trained on": info.trained_on,
        "scores": scores or "none measured",
        "weights": info.weight_hash,
    }
    return "\n".join([info.name, *(f"  {name:<10}  {value}" for name, value in lines.items())])
