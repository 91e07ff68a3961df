"""`find_model`: a missing folder is told at once, without asking the hub more than once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from wideseek_baselines import model_names
from wideseek_baselines.model_names import find_model
from wideseek_env import ConfigError, make_policy


class Hub:
    """A hub that gives one status, and counts its questions. None: it cannot be reached."""

    def __init__(self, status: int | None, cached: str | None = None) -> None:
        self.status, self.cached, self.asked = status, cached, 0
        self.constants = SimpleNamespace(HF_HUB_OFFLINE=False, ENDPOINT="https://hub.example")
        self.utils = SimpleNamespace(build_hf_headers=dict)

    def try_to_load_from_cache(self, name: str, file: str) -> str | None:
        return self.cached

    def get_session(self) -> Hub:
        return self

    def get(self, url: str, *, headers: object, timeout: float) -> SimpleNamespace:
        self.asked += 1
        if self.status is None:
            raise OSError("no network")
        return SimpleNamespace(status_code=self.status)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    found = Hub(None)
    monkeypatch.setattr(model_names, "_hub", lambda: found)
    model_names._status.cache_clear()
    monkeypatch.chdir(tmp_path)
    return found


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/nowhere/model", "there is no model folder '/nowhere/model', and no folder '/nowhere' either"),
        ("./nano", "there is no model folder './nano': did you mean 'nanoo'?"),
        ("nanoo/", "is no model folder: it has neither config.json nor a tokenizer"),
        ("runs/sft", "is the folder of a run: its model is in runs/sft/model"),
        ("runs/sft/modell", "did you mean 'runs/sft/model'?"),
        ("runs/grpo", "there is no model folder 'runs/grpo'"),
        ("runs/sft/model/config.json", "is a file: give the model's folder, 'runs/sft/model'"),
        ("a b", "there is no model folder 'a b'"),
        ("", "the name of the model is empty"),
        (Path("owner/name"), "there is no model folder 'owner/name'"),
    ],
)
def test_folders_are_checked_without_a_network(hub: Hub, tmp_path: Path, name: str, told: str) -> None:
    model(tmp_path / "runs" / "sft" / "model")
    (tmp_path / "nanoo").mkdir()
    with pytest.raises(ConfigError) as found:
        find_model(name)
    assert told in str(found.value)
    assert not hub.asked


def test_a_folder_is_found(hub: Hub, tmp_path: Path) -> None:
    folder = model(tmp_path / "nano")
    assert find_model("nano") == "nano"
    assert find_model(folder) == str(folder)
    (folder / "config.json").rename(folder / "tokenizer.json")
    assert find_model("nano") == "nano"  # a tokenizer alone
    assert not hub.asked


@pytest.mark.parametrize(
    ("status", "told"),
    [(None, "cannot be reached"), (404, "status 404"), (401, "log in for a private model")],
)
def test_the_hub_is_asked_once(hub: Hub, status: int | None, told: str) -> None:
    hub.status = status
    for _ in range(3):
        with pytest.raises(ConfigError, match=told):
            find_model("owner/name")
    assert hub.asked == 1


def test_a_model_of_the_hub_is_found(hub: Hub) -> None:
    hub.status = 200
    assert find_model("owner/name") == "owner/name"


def test_without_a_network_a_cached_model_is_its_folder(hub: Hub, tmp_path: Path) -> None:
    hub.cached = str(model(tmp_path / "cache") / "config.json")
    assert find_model("owner/name") == str(tmp_path / "cache")
    hub.constants.HF_HUB_OFFLINE = True
    model_names._status.cache_clear()
    assert find_model("owner/name") == str(tmp_path / "cache")
    assert hub.asked == 1


@pytest.mark.parametrize("policy", ["transformers", "vllm"])
def test_policies_refuse_a_missing_folder_before_an_engine_is_imported(hub: Hub, policy: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no model folder .\./nowhere."):
        make_policy(policy, model="./nowhere")
    with pytest.raises(ConfigError, match="this policy needs a model: model=FOLDER"):
        make_policy(policy)
