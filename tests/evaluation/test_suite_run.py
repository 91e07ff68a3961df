"""Running a suite: folders, resuming, data that is absent, and what a run will take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_suite import KINDS, Quick, change, commit, tiny

from wideseek_env.errors import ConfigError, CorpusError, SuiteError
from wideseek_env.evaluation import EpisodeError, read_sweep
from wideseek_env.evaluation.suite.card import CARD, SINGLE, Card, read_card
from wideseek_env.evaluation.suite.definition import V1
from wideseek_env.evaluation.suite.expect import (
    Load,
    expected,
    mean_load,
    most_load,
    pilot,
    pilot_label,
)
from wideseek_env.evaluation.suite.folder import check_folder
from wideseek_env.evaluation.suite.references import reference_cards
from wideseek_env.evaluation.suite.run import (
    OpenSuite,
    data_folder,
    episodes_left,
    open_suite,
    run_suite,
    suite_settings,
)
from wideseek_env.evaluation.width import width_sweep
from wideseek_env.policy import Policy
from wideseek_env.rules import PRESETS, Rules


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIDESEEK_DATA", raising=False)
    monkeypatch.setattr(Quick, "episodes", 0)


@pytest.fixture
def opened(tmp_path: Path) -> OpenSuite:
    """The small size of a tiny suite without data."""
    return commit(tiny(tmp_path / "suite"))


def run(opened: OpenSuite, folder: Path, policy: Any = Quick, **settings: Any) -> Card:
    return run_suite(opened, policy, folder, **{"policy_name": "quick", **settings})


def test_a_run_writes_a_card_and_a_sweep_for_each_kind(opened: OpenSuite, tmp_path: Path) -> None:
    card = run(opened, tmp_path / "out", policy_options={"model": "models/m-4b/"}, command="wideseek …")
    assert read_card(tmp_path / "out") == card
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "card.json", "suite.json", "suite.lock", "synthetic",
    ]  # fmt: skip
    assert (card.suite, card.size, card.name, card.model) == ("v1", "small", "m-4b", "models/m-4b/")
    assert card.complete
    assert card.absent == {"pages": "the HybridQA data is absent: --data was not given"}
    kind = card.kinds["synthetic"]
    assert list(kind.points) == [SINGLE, "1", "2"]
    assert {(point.episodes, point.item_f1, point.turns) for point in kind.points.values()} == {(2, 0.0, 1.0)}
    assert kind.rules["subagent_turns"] == 6
    assert "width" not in kind.rules
    assert kind.points["1"].characters["written"] == 43
    assert kind.points["1"].characters["read"] > 1000
    assert [point.label for point in read_sweep(tmp_path / "out" / "synthetic").points] == [SINGLE, "1", "2"]
    assert opened.episodes == 6


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_an_interrupted_run_resumes_and_gives_the_same_card(
    after: int, opened: OpenSuite, tmp_path: Path
) -> None:
    whole = run(opened, tmp_path / "whole")
    Quick.episodes = 0
    with pytest.raises(KeyboardInterrupt):
        run(opened, tmp_path / "out", lambda: Quick(interrupt_after=after))
    assert not read_card(tmp_path / "out").complete
    left = episodes_left(opened, opened.kinds[0], tmp_path / "out")
    assert sum(left.values()) == 6 - after
    Quick.episodes = 0
    played: list[str] = []
    again = run(opened, tmp_path / "out", on_episode=lambda record: played.append(record.task_id))
    assert len(played) == 6 - after
    assert stripped(again) == stripped(whole)
    assert not any(episodes_left(opened, opened.kinds[0], tmp_path / "out").values())


def stripped(card: Card) -> dict[str, Any]:
    """A card without the seconds, which the clock decides."""
    data = card.to_dict()
    for kind in data["kinds"].values():
        for point in kind["points"].values():
            del point["seconds"]
    return data


def test_options_that_cannot_be_recorded_are_refused(opened: OpenSuite, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which a run cannot record"):
        run(opened, tmp_path / "out", policy_options={"engine": object()})
    assert not (tmp_path / "out").exists()


def test_a_suite_without_any_kind_is_not_complete(tmp_path: Path) -> None:
    suite = tiny(tmp_path / "suite", KINDS[1:])
    nothing = open_suite(suite, "small")
    card = run(nothing, tmp_path / "out")
    assert (card.complete, list(card.absent), dict(card.kinds)) == (False, ["pages"], {})


def test_a_failed_episode_stops_the_run_or_counts_as_failed(opened: OpenSuite, tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="the quick policy broke"):
        run(opened, tmp_path / "out", lambda: Quick(fail=True))
    card = run(opened, tmp_path / "out", lambda: Quick(fail=True), keep_going=True)
    assert card.kinds["synthetic"].points["1"].failed == 2
    assert sum(episodes_left(opened, opened.kinds[0], tmp_path / "out").values()) == 6
    assert run(opened, tmp_path / "out").kinds["synthetic"].points["1"].failed == 0


# --- data ------------------------------------------------------------------------------------------------------------


def test_data_that_is_added_later_resumes_the_run(
    opened: OpenSuite, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path / "cache"))
    run(opened, tmp_path / "out")
    suite = tiny(tmp_path / "suite")
    suite = type(suite)(suite.version, suite.kinds, suite.sizes, suite.folder, split="train")
    both = commit(suite, small)
    assert (list(both.digests), dict(both.absent)) == (["synthetic", "pages"], {})
    with pytest.raises(SuiteError, match="with other tasks and results and rules"):
        run(both, tmp_path / "out")
    first = run(open_suite(suite, "small"), tmp_path / "more")
    card = run(open_suite(suite, "small", small), tmp_path / "more")
    assert card.kinds["synthetic"] == first.kinds["synthetic"]
    assert card.kinds["pages"].points[SINGLE].episodes > 0
    with pytest.raises(
        SuiteError, match="has results of the kind pages, whose data is absent now; name the data"
    ):
        run(open_suite(suite, "small"), tmp_path / "more")
    assert read_card(tmp_path / "more") == card


def test_where_the_data_is_looked_for(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder(None) == (None, "the HybridQA data is absent: --data was not given")
    monkeypatch.setenv("WIDESEEK_DATA", str(tmp_path))
    folder, why = data_folder(None)
    assert folder is None
    assert f"no folder hybridqa in {tmp_path}" in why
    (tmp_path / "hybridqa").mkdir()
    assert data_folder(None) == (tmp_path / "hybridqa", "")
    assert data_folder(small) == (small, "")
    with pytest.raises(CorpusError, match="Without data, only the synthetic kinds"):
        data_folder(tmp_path / "nothing")
    with pytest.raises(CorpusError, match=r"tables\.jsonl|tables"):
        data_folder(tmp_path / "hybridqa")


# --- folders ---------------------------------------------------------------------------------------------------------


def settings_of(opened: OpenSuite, policy: str = "quick", **options: Any) -> dict[str, Any]:
    return suite_settings(opened.suite, opened.size_name, policy, options)


def test_a_folder_of_another_kind_of_run_is_refused(opened: OpenSuite, tmp_path: Path) -> None:
    sweep, evaluation, other, file = (tmp_path / name for name in ("sweep", "eval", "other", "file"))
    width_sweep(opened.kinds[0].game, Quick, (1,), opened.kinds[0].tasks[:1], folder=sweep)
    (other / "sub").mkdir(parents=True)
    file.touch()
    evaluation.symlink_to(sweep / "width-1")
    for folder, told in ((sweep, "a sweep of"), (evaluation, "a run of"), (other, "other files")):
        before = sorted(p.name for p in folder.iterdir())
        for overwrite in (False, True):
            with pytest.raises(SuiteError, match=f"contains {told}.*give another folder"):
                run(opened, folder, overwrite=overwrite)
        assert sorted(p.name for p in folder.iterdir()) == before
    with pytest.raises(ConfigError, match="is a file; give a folder"):
        run(opened, file)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("suite", "v2", "suite: 'v2' → 'v1'"), ("suite", "v0", "suite: 'v0' → 'v1'"),
        ("size", "full", "size: 'full' → 'small'"), ("policy", "scripted", "policy: 'scripted' → 'quick'"),
        ("policy_options", {"a": 1}, "policy_options"), ("seed", 3, "seed: 3 → 0"),
        ("format", 2, "format 2, and this version reads format 1: install a newer"),
        ("format", "x", "cannot be read"), ("kinds", 3, "cannot be read"),
    ],
)  # fmt: skip
def test_a_run_with_other_settings_is_refused(
    key: str, value: object, told: str, opened: OpenSuite, tmp_path: Path
) -> None:
    run(opened, tmp_path / "out")
    change(tmp_path / "out" / "suite.json", key, to=value)
    before = (tmp_path / "out" / CARD).read_bytes()
    with pytest.raises(SuiteError, match=told):
        run(opened, tmp_path / "out")
    assert (tmp_path / "out" / CARD).read_bytes() == before
    run(opened, tmp_path / "out", overwrite=True)
    run(opened, tmp_path / "out")


def test_a_folder_is_checked_without_a_trace(opened: OpenSuite, tmp_path: Path) -> None:
    check_folder(tmp_path / "new", settings_of(opened))
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "suite.lock").touch()
    check_folder(tmp_path / "empty", settings_of(opened))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "suite.json").write_text("{")
    with pytest.raises(SuiteError, match="cannot be read"):
        check_folder(tmp_path / "damaged", settings_of(opened))
    check_folder(tmp_path / "damaged", settings_of(opened), overwrite=True)


def test_two_processes_cannot_write_one_folder(opened: OpenSuite, tmp_path: Path) -> None:
    def nested(_: Any) -> None:
        with pytest.raises(ConfigError, match="being written by this process"):
            run(opened, tmp_path / "out")

    run(opened, tmp_path / "out", on_kind=nested)


def test_an_unknown_size(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no size 'huge'; use one of small, full"):
        open_suite(tiny(tmp_path), "huge")


# --- what a run will take --------------------------------------------------------------------------------------------

RULES = PRESETS["width-benchmark"]


def test_the_rules_bound_the_load() -> None:
    assert most_load(RULES, SINGLE).turns == 6
    assert most_load(RULES, "1").turns == 3 + 2 * 6
    assert most_load(RULES, "16").turns == 3 + 32 * 6
    assert most_load(RULES, "1").read == 15 * 131_072 / 4
    assert most_load(RULES, "1").written == 3 * (131_072 + 65_536) / 4
    assert most_load(RULES.replace(subagent_turns=1, lead_turns=2), "1").written == 3 * 65_536 / 4
    assert most_load(Rules(), "1").written == 10 * (131_072 + 65_536) / 4


def test_no_reference_has_more_than_the_bound() -> None:
    for card in reference_cards(V1, "full").values():
        for kind in card.kinds.values():
            for label, point in kind.points.items():
                most = most_load(RULES, label)
                assert point.turns <= most.turns
                assert point.characters["written"] / 4 <= (most.written or 0)
                assert point.characters["read"] / 4 <= (most.read or 0)


def test_measured_episodes_are_scaled_like_the_scripted_team() -> None:
    references = reference_cards(V1, "full")
    team = references["scripted-team"].kinds["hard"].points
    left = {"1": 50, "16": 50}
    found = expected(left, RULES, "hard", references, ("4", Load(10.0, 100.0, 20.0, 6.0)))
    factor = 50 * (team["1"].turns + team["16"].turns) / team["4"].turns
    assert found.measured is not None
    assert found.measured.turns == pytest.approx(10 * factor)
    assert found.measured.seconds == pytest.approx(6 * factor)
    assert found.load == found.measured
    assert found.episodes == 100
    assert found.reference is not None
    assert found.reference.turns == pytest.approx(50 * (team["1"].turns + team["16"].turns))


def test_tokens_that_are_not_reported_are_those_of_the_scripted_team() -> None:
    found = expected({"1": 2}, RULES, "hard", reference_cards(V1, "full"), ("1", Load(9.0, None, None, 1.0)))
    assert found.load.estimated
    assert (found.load.turns, found.load.seconds) == (18.0, 2.0)
    assert found.reference is not None
    assert found.load.written == found.reference.written


def test_without_a_reference_the_rules_give_the_scale() -> None:
    found = expected({"1": 1, "2": 1, SINGLE: 1}, RULES, "hard", {}, ("1", Load(15.0, 30.0, 3.0, 1.5)))
    assert found.reference is None
    assert found.load.turns == 15 + 27 + 6
    assert (found.load.read, found.load.written, found.load.seconds) == pytest.approx((96, 9.6, 4.8))
    assert expected({"1": 1}, RULES, "hard", {}).load == most_load(RULES, "1")


def test_nothing_is_expected_if_nothing_is_left() -> None:
    found = expected({"1": 0}, RULES, "hard", {}, ("1", Load(9.0, 1.0, 1.0, 1.0)))
    assert (found.episodes, found.load.turns, found.most.turns) == (0, 0.0, 0.0)


def test_the_pilot_leaves_no_record(opened: OpenSuite, tmp_path: Path) -> None:
    each = opened.kinds[0]
    assert pilot_label(opened.size) == "2"
    assert pilot_label(V1.size("small")) == pilot_label(V1.size("full")) == "4"
    before = sorted(tmp_path.rglob("*"))
    load = pilot(each.game, Quick, each.tasks, "2", 0)
    assert (load.turns, load.read) == (1.0, None)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(EpisodeError, match="broke"):
        pilot(each.game, lambda: Quick(fail=True), each.tasks, "2", 0)


def test_the_mean_load_has_tokens_only_if_all_episodes_report_them(opened: OpenSuite, tmp_path: Path) -> None:
    class Metered(Quick):
        def __init__(self) -> None:
            super().__init__()
            self.usage = {"prompt_tokens": 0, "completion_tokens": 0}

        def reset(self, seed: int) -> None:
            self.usage = {name: value + 10 for name, value in self.usage.items()}

    def make() -> Policy:
        return Metered()

    card = run(opened, tmp_path / "out", make)
    point = card.kinds["synthetic"].points["1"]
    assert point.tokens == {"read": 10.0, "written": 10.0}
    records = read_sweep(tmp_path / "out" / "synthetic").points[0].records
    assert mean_load(records).written == 10
    unknown = [records[0], type(records[0]).from_dict({**records[1].to_dict(), "usage": None})]
    assert mean_load(unknown).written is None


def test_the_kinds_of_the_test_suite_need_data_or_not() -> None:
    assert [kind.needs_data for kind in KINDS] == [False, True]
    assert json.loads(json.dumps(V1.sizes["full"].widths)) == [1, 2, 4, 8, 16]
