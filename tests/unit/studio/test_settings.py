"""Where a setting's value comes from, and which are refused."""

import pytest

from himmel.errors import BadRequest
from himmel.studio.settings import Settings, read_settings


def test_flags_win_over_the_environment_over_the_file(tmp_path):
    (tmp_path / "settings.toml").write_text('port = 1\nhost = "file"\nmodel = "file"\n')
    environment = {"HIMMEL_PORT": "2", "HIMMEL_HOST": "environment"}
    found = read_settings({"data_dir": tmp_path, "port": 3, "workers": None}, environment)
    assert (found.port, found.host, found.model, found.workers) == (3, "environment", "file", Settings().workers)


@pytest.mark.parametrize("text", ["colour = 1", "port = ", 'data_dir = "x"'])
def test_a_file_with_something_unknown_is_refused(tmp_path, text):
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(BadRequest, match=r"settings\.toml"):
        read_settings({"data_dir": tmp_path}, {})


def test_a_value_of_the_wrong_kind_is_refused(tmp_path):
    with pytest.raises(BadRequest, match="'port' is 'many'; allowed: a whole number"):
        read_settings({"data_dir": tmp_path}, {"HIMMEL_PORT": "many"})


def test_aliases_stand_for_the_servers_model():
    settings = Settings(model="papercut", aliases="sora-2=,old=other")
    assert [settings.model_for(name) for name in ("sora-2", "old", "papercut")] == ["papercut", "other", "papercut"]
