"""The obvious names of each package can be imported from the package."""

from __future__ import annotations

import importlib
import inspect

import pytest

NAMES = {
    "wideseek_env.corpus": """
        Corpus DenseIndex FailedSearch HybridCorpus LiveCorpus MemoryCorpus Page RemoteCorpus RemoteError SearchHit
        SearchIndex Skipped SourcePage StoredCorpus SyntheticWorld PageFiles Passage pages_from_folder pages_from_jsonl
    """,
    "wideseek_env.corpus.dense": """
        DenseIndex Embedder HybridCorpus QdrantFields QdrantIndex SentenceTransformerEmbedder StaticEmbedder distill
        documents_of load_embedder
    """,
    "wideseek_env.corpus.live": """
        DirectReader JinaReader JsonSearch LiveConfig LiveCorpus PageReader Recorder Replay SearXNG SearchEngine
        SearchError Serper open_live
    """,
    "wideseek_env.evaluation": """
        Budget Change Comparison Curve Difference EpisodeError EpisodeRecord RecordedRun Response RunFolder Scored
        Speedup Summary SummaryAccumulator Sweep SweepPoint TrialMetric compare_runs depth_sweep draw_metric
        draw_overview evaluate evaluate_game fit_amdahl plot_sweep read_entries read_responses read_run read_sweep
        run_settings score_answers speedup_of summarise width_sweep write_report
    """,
    "wideseek_env.llm": "ChatClient ChatReply Prices RetryPolicy Usage",
    "wideseek_env.pages": "Document Link find_links focus neutralise plain_text strip_links to_document",
    "wideseek_env.render": "Renderer render renderer_for",
    "wideseek_env.rewards": "ItemF1 Reward Sum WideSeekR1 reward_named",
    "wideseek_env.scoring": """
        CellVerdict Judge KeyAligner OfflineJudge ParsedTable RowVerdict TableScore parse_table score_response
        score_table
    """,
    "wideseek_env.scoring.judging": """
        JudgeCache JudgeUsage MemoryCache OpenAIJudge RecordedJudge RecordingJudge judge_from_spec
    """,
    "wideseek_env.tasks": """
        ColumnSpec Table Task TaskSet download_widesearch load_tasks load_widesearch load_wideseek_r1 save_tasks
        save_widesearch save_wideseek_r1 task_from_widesearch task_from_wideseek_r1
    """,
    "wideseek_env.testing": """
        ConformanceError NoOpTools check_corpus check_judge check_parallel_env check_policy check_reward
        check_task_source check_tool example_task
    """,
    "wideseek_env.tools": "CorpusTools Executor Tool ToolInputError ToolSpec tool",
    "wideseek_env.viewer": "RunReader ViewServer write_page",
    "wideseek_env.wrappers": """
        Choice Flat Hit Layout MarkdownReader NumericPolicy PageView Question Reader
        SubprocSymbolicVec Symbolic SymbolicVec
    """,
}


@pytest.mark.parametrize("package", NAMES)
def test_the_package_has_its_obvious_names(package: str) -> None:
    module = importlib.import_module(package)
    for name in NAMES[package].split():
        part = getattr(module, name)
        assert inspect.isclass(part) or callable(part), name
        assert part.__module__.startswith("wideseek_env."), name


@pytest.mark.parametrize("package", [name for name in NAMES if name != "wideseek_env.rewards"])
def test_every_exported_name_exists_and_is_listed_by_dir(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))
    assert set(NAMES[package].split()) <= set(module.__all__)


def test_a_name_is_not_its_module() -> None:
    import wideseek_env.corpus.dense.distillation
    import wideseek_env.evaluation.one_call
    import wideseek_env.pages.focus  # noqa: F401

    assert callable(importlib.import_module("wideseek_env.corpus.dense").distill)
    assert callable(importlib.import_module("wideseek_env.evaluation").evaluate)
    assert callable(importlib.import_module("wideseek_env.pages").focus)
