"""Where a setting's value comes from, and which are refused."""

import pytest

from himmel.errors import BadRequest
from himmel.studio.settings import ENVIRONMENT, FILE, FLAG, Settings, origin, read_settings


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


def test_it_is_known_where_each_value_came_from(tmp_path):
    (tmp_path / "settings.toml").write_text('port = 1\nhost = "file"\nmodel = "file"\n')
    environment = {"HIMMEL_PORT": "2", "HIMMEL_HOST": "environment"}
    found = read_settings({"data_dir": tmp_path, "port": 3, "workers": None}, environment)
    names = ("data_dir", "port", "host", "model", "workers")
    assert [origin(found, name) for name in names] == [FLAG, FLAG, ENVIRONMENT, FILE, ""]
    by_hand = Settings(port=3)
    assert [origin(by_hand, name) for name in ("port", "host")] == [FLAG, ""]
