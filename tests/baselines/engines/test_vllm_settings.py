"""What the vLLM engine says about settings and folders, without starting vLLM."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import importlib.machinery
import os
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest

from wideseek_baselines.engines import process_guard
from wideseek_baselines.engines.base import EngineLostError, Request, Sampling
from wideseek_baselines.engines.process_guard import ProcessGuard
from wideseek_baselines.engines.vllm import VllmEngine
from wideseek_baselines.engines.vllm_values import described, fits
from wideseek_env.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"context": 0}, "context"),
        ({"max_requests": True}, "max_requests"),
        ({"kv_bytes": 1.5}, "kv_bytes"),
        ({"tensor_parallel": 0}, "tensor_parallel"),
        ({"dtype": "fp32"}, "float32"),
        ({"gpu_memory_utilization": 1.2}, "gpu_memory_utilization"),
        ({"sleep_level": 3}, "sleep_level"),
        (
            {"options": {"logprobs_mode": "raw_logprobs"}},
            "works only with logprobs_mode='processed_logprobs'",
        ),
        ({"seed": "x"}, "seed must be a whole number, not 'x'"),
        ({"seed": None}, "seed must be a whole number"),
        ({"enforce_eager": "hot"}, "enforce_eager must be true or false, not 'hot'"),
        ({"enforce_eager": 1}, "enforce_eager must be true or false"),
        ({"gpu_memory_utilization": "hot"}, "gpu_memory_utilization"),
        ({"gpu_memory_utilization": True}, "gpu_memory_utilization"),
        ({"options": {"worker_extension_cls": "x"}}, "worker_extension_cls"),
        ({"options": {"max_model_len": 10}}, "set context instead"),
        ({"options": {"max_num_seqs": 10}}, "set max_requests instead"),
        ({"options": {"kv_cache_memory_bytes": 10}}, "set kv_bytes instead"),
        ({"options": {"tensor_parallel_size": 2}}, "set tensor_parallel instead"),
        ({"options": {"enable_sleep_mode": True}}, "set sleep_level instead"),
        ({"options": {"model": "other"}}, "set model instead"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        VllmEngine("anything", **settings)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "no model folder"),
        ([], "neither config.json nor a tokenizer"),
        (["config.json", "pytorch_model.bin"], "pickled"),
    ],
)
def test_a_wrong_folder_is_refused_at_the_start(tmp_path: Path, files: list[str] | None, says: str) -> None:
    folder = tmp_path / "model"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).write_text("{}")
    with pytest.raises(ConfigError, match=says):
        asyncio.run(VllmEngine(folder).start())


def test_an_engine_that_does_not_run_says_so(tmp_path: Path) -> None:
    async def use() -> None:
        engine = VllmEngine(tmp_path)
        asked = Request("a", Sampling(), ids=[1])
        with pytest.raises(EngineLostError, match="not started"):
            await engine.generate(asked)
        await engine.close()
        await engine.close()
        with pytest.raises(EngineLostError, match="closed"):
            await engine.generate(asked)
        with pytest.raises(EngineLostError, match="closed"):
            await engine.start()

    asyncio.run(use())


class FakeVllm(types.ModuleType):
    """As much of vLLM as the loading of an engine uses. It records what it was given."""

    __version__ = "0.32.0"

    @dataclasses.dataclass
    class AsyncEngineArgs:
        """Stands for vLLM's class of this name."""

        model: str = ""
        skip_tokenizer_init: bool = False
        load_format: str = ""
        generation_config: str = ""
        logprobs_mode: str = ""
        enable_prefix_caching: bool = False
        scheduling_policy: str = ""
        disable_log_stats: bool = True
        use_tqdm_on_load: bool = True
        worker_extension_cls: str = ""
        dtype: str = ""
        tensor_parallel_size: int = 0
        seed: int | None = None
        enforce_eager: bool = False
        enable_chunked_prefill: bool = True
        kv_cache_memory_bytes: int = 0
        max_num_batched_tokens: int | None = None
        block_size: int | None = None
        quantization: str | None = None
        _api_process_count: int = 1

    def __init__(self) -> None:
        super().__init__("vllm")
        self.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
        self.started: list[tuple[Any, Any]] = []
        self.error: Exception | None = None
        outer = self

        class AsyncLLMEngine:
            """Stands for vLLM's class of this name."""

            @classmethod
            def from_engine_args(cls, args: Any, usage_context: Any = "ENGINE_CONTEXT") -> Any:
                """Record the arguments."""
                assert process_guard.MARK in os.environ
                outer.started.append((args, usage_context))
                if outer.error is not None:
                    raise outer.error
                config = SimpleNamespace(
                    model_config=SimpleNamespace(max_model_len=64, get_vocab_size=lambda: 97),
                    cache_config=SimpleNamespace(num_gpu_blocks=2, block_size=16),
                    scheduler_config=SimpleNamespace(max_num_seqs=1024),
                )
                return SimpleNamespace(vllm_config=config, errored=False, output_handler=None, shutdown=print)

        self.AsyncLLMEngine = AsyncLLMEngine


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeVllm:
    pytest.importorskip("torch")
    vllm = FakeVllm()
    platforms, usage = types.ModuleType("vllm.platforms"), types.ModuleType("vllm.usage.usage_lib")
    platforms.current_platform = SimpleNamespace(is_cpu=lambda: False)  # type: ignore[attr-defined]
    usage.UsageContext = SimpleNamespace(LLM_CLASS="LLM_CLASS")  # type: ignore[attr-defined]
    for module in (vllm, platforms, usage, types.ModuleType("vllm.usage")):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return vllm


def start(folder: Path, **settings: Any) -> None:
    """Start an engine and close it."""

    async def use() -> None:
        engine = VllmEngine(folder, **settings)
        await engine.start()
        await engine.close()

    asyncio.run(use())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder whose tensors are never read."""
    header = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return tmp_path


def test_vllm_gets_the_usage_context_of_offline_generation(fake: FakeVllm, folder: Path) -> None:
    start(folder, options={"max_num_batched_tokens": 8192, "block_size": 32}, enforce_eager=True)
    ((arguments, context),) = fake.started
    assert context == "LLM_CLASS", "otherwise vLLM computes only a few requests at the same time"
    assert (arguments.max_num_batched_tokens, arguments.block_size, arguments.enforce_eager) == (
        8192,
        32,
        True,
    )
    assert arguments.logprobs_mode == "processed_logprobs"
    assert process_guard.MARK not in os.environ


def test_a_failed_start_leaves_no_guard(
    fake: FakeVllm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[ProcessGuard] = []
    close = ProcessGuard.close
    monkeypatch.setattr(ProcessGuard, "close", lambda self: (closed.append(self), close(self))[1])
    fake.error = RuntimeError("out of memory")
    with pytest.raises(ConfigError, match=r"could not load .*: out of memory"):
        start(folder)
    (guard,) = closed
    assert guard.pid is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("max_num_batched_token", "did you mean 'max_num_batched_tokens'"),
        ("max-num-batched-tokens", "did you mean 'max_num_batched_tokens'"),
        ("MAX_NUM_BATCHED_TOKENS", "did you mean 'max_num_batched_tokens'"),
        ("blocksize", "did you mean 'block_size'"),
        ("block_sizes", "did you mean 'block_size'"),
        ("quantisation", "did you mean 'quantization'"),
        ("enforce_eagr", "did you mean 'enforce_eager'"),
        ("chunked_prefill", "did you mean 'enable_chunked_prefill'"),
        ("zzz", "fields of vllm.AsyncEngineArgs"),
        ("", "fields of vllm.AsyncEngineArgs"),
        ("_api_process_count", "no engine argument"),
    ],
)
def test_a_misspelt_argument_is_refused_before_anything_is_loaded(
    fake: FakeVllm, name: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=f"no engine argument {name!r}.*{says}|{says}"):
        VllmEngine("anything", options={name: 1})
    assert not fake.started


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("hot", "options.max_num_batched_tokens must be a whole number or none, not 'hot'"),
        ([1], "must be a whole number or none, not [1]"),
        ({"a": 1}, "must be a whole number or none, not {'a': 1}"),
        (1.5, "must be a whole number or none, not 1.5"),
        (True, "must be a whole number or none, not True"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_before_anything_is_loaded(
    fake: FakeVllm, value: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        VllmEngine("anything", options={"max_num_batched_tokens": value})
    VllmEngine("anything", options={"max_num_batched_tokens": 5})
    VllmEngine("anything", options={"max_num_batched_tokens": None})
    assert not fake.started


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (ValueError("No available memory for the cache blocks. Try increasing gpu_memory_utilization"), True),
        (ValueError("Free memory on device (3.1/79.1 GiB) on startup is less than desired"), True),
        (ValueError("16.0 GiB KV cache is needed, which is larger than the available KV cache memory"), True),
        (MemoryError(), True),
        (OSError("[Errno 12] Cannot allocate memory"), True),
        (ValueError("Input should be a valid integer [input_value='hot', input_type=str]"), False),
        (TypeError("kv_cache_memory_bytes has no memory too small"), False),
        (ValueError("max_num_batched_tokens (8) is smaller than max_model_len (64)"), False),
        (ValueError("gpu_memory_utilization must be positive"), False),
        (NotImplementedError("fp8 is not supported on this platform"), False),
        (AssertionError(), False),
    ],
)
def test_the_cause_comes_first_and_memory_only_if_it_is_the_cause(
    fake: FakeVllm, folder: Path, error: Exception, memory: bool
) -> None:
    fake.error = error
    with pytest.raises(ConfigError) as told:
        start(folder)
    first = str(error) or type(error).__name__
    assert str(told.value).startswith(f"vLLM could not load {folder}: {first}")
    assert ("This is too little memory: lower the context" in str(told.value)) == memory


def test_the_failure_of_a_process_points_to_what_it_wrote(fake: FakeVllm, folder: Path) -> None:
    fake.error = RuntimeError(
        "Engine core initialization failed. See root cause above. Failed core proc(s): {}"
    )
    with pytest.raises(ConfigError, match=r": one of its processes failed, and wrote the reason to stderr"):
        start(folder)


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


@dataclasses.dataclass
class Inner:
    """A table."""

    size: int = 0


@pytest.mark.parametrize(
    ("annotation", "right", "wrong", "says"),
    [
        (int, [0, -3], ["1", 1.0, True, None, [1]], "a whole number"),
        (float, [1, 1.5], ["1", False, None], "a number"),
        (bool, [True, False], [1, 0, "true", None], "true or false"),
        (str, ["", "x", Path("x")], [1, True, None, ["x"]], "text"),
        (int | None, [1, None], ["none"], "a whole number or none"),
        (Literal["a", "b"], ["a"], ["c", 1, None], "one of a, b"),
        (Literal[1, 8], [8], [2, "8", True], "one of 1, 8"),
        (Literal["auto"] | int, ["auto", 3], ["x", True], "one of auto or a whole number"),
        (list[int], [[], [1]], [1, "1", ["a"], {"a": 1}], "a list (each item a whole number)"),
        (set[str], [["a"], {"a"}], ["a", [1]], "a list (each item text)"),
        (dict[str, Any], [{}, {"a": [1]}], ["a", [1]], "a table"),
        (dict[str, int], [{"a": 1}], [{"a": "b"}], "a table"),
        (Inner, [{"size": 1}, Inner()], [1, "x"], "a table"),
        (Colour, [Colour.RED, "RED", 1], [1.5, [1]], "one of RED"),
        (Annotated[int, "positive"], [1], ["x"], "a whole number"),
        (
            list[str | int] | None,
            [None, ["a", 1]],
            [[1.5], "a"],
            "a list (each item text or a whole number) or none",
        ),
        (Any, [1, "x", None], [], "any value"),
        (dict[str, Any] | Callable[[Any], Any], [{}, len], [], "a table or any value"),
    ],
    ids=str,
)
def test_values_and_annotations(annotation: Any, right: list[Any], wrong: list[Any], says: str) -> None:
    assert [each for each in right if not fits(each, annotation)] == []
    assert [each for each in wrong if fits(each, annotation)] == []
    if wrong:
        assert described(annotation) == says
