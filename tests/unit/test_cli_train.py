import pytest
import torch

from himmel.cli.app import main
from himmel.training.loop import Recipe, Run


@pytest.fixture
def sittings(monkeypatch):
    """What the commands hand to training, instead of training."""
    handed = []
    for name in (
        "autoencoder_sitting",
        "text_sitting",
        "transformer_sitting",
        "upsampler_sitting",
        "interpolator_sitting",
        "export",
    ):
        monkeypatch.setattr(
            f"himmel.training.sittings.{name}", lambda *values, name=name: handed.append((name, values))
        )
    return handed


def test_a_sitting_of_the_autoencoder_gets_its_settings(sittings, tmp_path):
    arguments = ["--preset", "tiny", "--minutes", "0.5", "--clips", "3", "--run", str(tmp_path), "--device", "cpu"]
    assert main(["train", "autoencoder", *arguments]) == 0
    [(name, (project, recipe, clips, latents))] = sittings
    assert latents == "free"
    assert name == "autoencoder_sitting"
    assert (project.preset.height, project.folder, project.device.type) == (32, tmp_path, "cpu")
    assert (recipe.folder, recipe.minutes, clips) == (tmp_path / "autoencoder", 0.5, 3)


def test_a_sitting_of_the_text_encoder_gets_its_settings(sittings, tmp_path):
    assert main(["train", "text", "--preset", "tiny", "--captions", "8", "--run", str(tmp_path)]) == 0
    [(name, (_, recipe, captions))] = sittings
    assert (name, recipe.folder, captions) == ("text_sitting", tmp_path / "text", 8)


def test_a_sitting_of_the_transformer_gets_its_diets(sittings, tmp_path):
    arguments = ["--preset", "tiny", "--run", str(tmp_path), "--diet", "1x64", "--diet", "17x8"]
    assert main(["train", "transformer", *arguments]) == 0
    [(_, (_, recipe, diets))] = sittings
    assert recipe.folder == tmp_path / "transformer"
    assert [(diet.frames, diet.batch) for diet in diets] == [(1, 64), (17, 8)]


def test_without_a_diet_clips_have_the_models_length(sittings, tmp_path):
    assert main(["train", "transformer", "--preset", "tiny", "--run", str(tmp_path)]) == 0
    [(_, (project, _, diets))] = sittings
    assert [diet.frames for diet in diets] == [project.preset.frames]


@pytest.mark.parametrize("part", ["upsampler", "interpolator"])
def test_sittings_of_upsampler_and_interpolator_get_their_settings(sittings, tmp_path, part):
    assert main(["train", part, "--preset", "tiny", "--clips", "3", "--run", str(tmp_path)]) == 0
    [(name, (project, recipe, clips))] = sittings
    assert (name, project.preset.height) == (f"{part}_sitting", 32)
    assert (recipe.folder, clips) == (tmp_path / part, 3)


def test_an_export_becomes_a_model_of_its_name(sittings, tmp_path, capsys):
    assert main(["train", "export", "mine", "--preset", "tiny", "--run", str(tmp_path)]) == 0
    [(_, (_, target))] = sittings
    assert target.parts[-2:] == ("weights", "mine")
    assert capsys.readouterr().out == f"{target}\n"


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["train", "autoencoder", "--minutes", "0"], "0.01 to 100000"),
        (["train", "autoencoder", "--preset", "huge"], "laptop"),
        (["train", "autoencoder", "--device", "tpu"], "auto, cpu, cuda, mps"),
        (["train", "transformer", "--diet", "4x4"], "1, 5, 9, 13"),
        (["train", "transformer", "--diet", "5x0"], "FRAMESxCLIPS"),
        (["train", "export", "../up"], "small letters"),
        (["train", "pack", "bag", "--part", "hands"], "autoencoder, text, transformer"),
        (["train", "pack", "bag", "--part", "text"], "train it first"),
        (["train", "unpack", "bag"], "himmel train pack"),
        (["train", "oracle", "--vocabulary", "klingon"], "laptop"),
        (["world", "preview", "--vocabulary", "klingon"], "laptop"),
        (["world", "preview", "--clips", "0"], "1 to 200"),
        (["evaluate", "--clips", "0"], "1 to 100000"),
        (["evaluate", "--vocabulary", "klingon"], "laptop"),
    ],
)
def test_every_bad_value_is_one_line_that_names_the_allowed_ones(tmp_path, monkeypatch, capsys, arguments, allowed):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert allowed in err
    assert list(tmp_path.iterdir()) == []


def test_what_was_packed_can_be_unpacked_into_another_run(tmp_path, capsys):
    run = Run(torch.nn.Linear(2, 2), Recipe(tmp_path / "here" / "text", 0))
    run.step = 7
    run.save_now()
    pack = ["train", "pack", str(tmp_path / "bag"), "--part", "text", "--run", str(tmp_path / "here")]
    assert main(pack) == 0
    [piece] = (tmp_path / "bag").iterdir()
    assert capsys.readouterr().out == f"{piece}\n"
    assert main(["train", "unpack", str(tmp_path / "bag"), "--run", str(tmp_path / "there")]) == 0
    assert capsys.readouterr().out == "text\n"
    assert Run(torch.nn.Linear(2, 2), Recipe(tmp_path / "there" / "text", 0)).step == 7
