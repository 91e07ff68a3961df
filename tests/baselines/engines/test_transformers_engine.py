"""The transformers engine on a tiny random model: exact, repeatable, cancellable, with weights that can be replaced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from wideseek_baselines.engines.base import (
    Engine,
    EngineError,
    EngineLostError,
    Generation,
    Request,
    Sampling,
)
from wideseek_baselines.engines.transformers import TransformersEngine
from wideseek_env.errors import ConfigError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

T = TypeVar("T")
VOCABULARY = 64
PROMPTS = [[1, 2, 3], [5] * 40, [9, 8, 7, 6, 5, 4], [11, 12], [20, 21, 22, 23, 24, 25, 26]]


def make_model(seed: int) -> Any:
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.Qwen3ForCausalLM(config).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models with different weights."""
    made = []
    for seed in (0, 1):
        made.append(tmp_path_factory.mktemp("model"))
        make_model(seed).save_pretrained(made[-1])
    return made


def request(prompt: list[int], number: int = 0, *, priority: int = 0, **sampling: Any) -> Request:
    chosen = {"max_tokens": 12, "seed": number, **sampling}
    return Request(f"r{number}", Sampling(**chosen), ids=prompt, priority=priority)


def with_engine(folder: Path, play: Callable[[TransformersEngine], Awaitable[T]], **options: Any) -> T:
    async def main() -> T:
        engine = TransformersEngine(folder, device="cpu", **options)
        await engine.start()
        try:
            return await play(engine)
        finally:
            await engine.close()

    return asyncio.run(main())


def logprobs_of(model: Any, ids: list[int], start: int, temperature: float = 1.0) -> list[float]:
    """What a plain forward pass over the whole sequence says about its ids from `start`."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0] / temperature
    logprobs = torch.log_softmax(logits[:-1], -1)
    return [logprobs[at - 1, ids[at]].item() for at in range(start, len(ids))]


def check(generation: Generation, prompt: list[int], model: Any, temperature: float = 1.0) -> None:
    assert generation.ids is not None
    expected = logprobs_of(model, [*prompt, *generation.ids], len(prompt), temperature)
    assert generation.logprobs == pytest.approx(expected, abs=1e-4)
    assert generation.prompt_tokens == len(prompt)
    assert generation.completion_tokens == len(generation.ids) == sum(n for _, n in generation.versions)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logprobs_in_a_batch_are_those_of_a_forward_pass(folders: list[Path], temperature: float) -> None:
    async def play(engine: TransformersEngine) -> list[Generation]:
        asked = (
            engine.generate(request(prompt, n, max_tokens=5 + 7 * n, temperature=temperature))
            for n, prompt in enumerate(PROMPTS)
        )
        return await asyncio.gather(*asked)

    model = make_model(0)
    generations = with_engine(folders[0], play, max_requests=3)
    for number, (prompt, generation) in enumerate(zip(PROMPTS, generations, strict=True)):
        assert len(generation.ids or ()) == 5 + 7 * number
        assert generation.finish_reason == "length"
        assert generation.versions == ((0, 5 + 7 * number),)
        check(generation, prompt, model, temperature)


def test_tokens_are_drawn_as_often_as_the_model_says(folders: list[Path]) -> None:
    draws = 3000

    async def play(engine: TransformersEngine) -> list[Generation]:
        return await asyncio.gather(
            *(engine.generate(request([1, 2, 3], n, max_tokens=1)) for n in range(draws))
        )

    generations = with_engine(folders[0], play, max_requests=64)
    with torch.no_grad():
        expected = torch.softmax(make_model(0)(torch.tensor([[1, 2, 3]])).logits[0, -1], -1)
    drawn = torch.bincount(torch.tensor([g.ids[0] for g in generations if g.ids]), minlength=VOCABULARY)
    spread = (draws * expected * (1 - expected)).sqrt()
    assert ((drawn - draws * expected).abs() <= 4.5 * spread + 1).all()


def test_the_same_seed_draws_the_same_alone_and_in_company(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> list[Generation]:
        alone = await engine.generate(request([1, 2, 3], 7, max_tokens=30))
        asked = [engine.generate(request(prompt, n)) for n, prompt in enumerate(PROMPTS)]
        *_, company = await asyncio.gather(*asked, engine.generate(request([1, 2, 3], 7, max_tokens=30)))
        other = await engine.generate(request([1, 2, 3], 8, max_tokens=30))
        return [alone, company, other]

    alone, company, other = with_engine(folders[0], play)
    assert alone.ids == company.ids
    assert alone.ids != other.ids


def test_greedy_and_filtered_sampling(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> list[Generation]:
        return await asyncio.gather(
            engine.generate(request([1, 2, 3], temperature=0)),
            engine.generate(request([1, 2, 3], top_k=1)),
            engine.generate(request([1, 2, 3], top_p=1e-6)),
            engine.generate(request([1, 2, 3], 3, top_k=4, max_tokens=60)),
            engine.generate(request([1, 2, 3], 4, top_p=0.5, max_tokens=60)),
        )

    greedy, one, likely, four, half = with_engine(folders[0], play)
    assert greedy.ids == one.ids == likely.ids
    check(greedy, [1, 2, 3], make_model(0))
    with torch.no_grad():
        for generation, allowed in ((four, lambda p, i: (p > p[i]).sum() < 4), (half, _in_top_half)):
            ids = [1, 2, 3, *(generation.ids or ())]
            shares = torch.softmax(make_model(0)(torch.tensor([ids])).logits[0], -1)
            assert all(allowed(shares[at - 1], ids[at]) for at in range(3, len(ids)))
            assert len(set(ids[3:])) > 4


def _in_top_half(shares: Any, token: int) -> bool:
    return bool(shares[shares > shares[token]].sum() < 0.5)


def test_generation_ends_at_a_stop_token_and_keeps_it(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> tuple[Generation, Generation]:
        free = await engine.generate(request([1, 2, 3], 1, max_tokens=20))
        assert free.ids is not None
        return free, await engine.generate(request([1, 2, 3], 1, max_tokens=20, stop_ids=(free.ids[6],)))

    free, stopped = with_engine(folders[0], play)
    assert free.ids is not None
    end = free.ids.index(free.ids[6])
    assert stopped.ids == free.ids[: end + 1]
    assert stopped.finish_reason == "stop"


def test_the_context_bounds_a_generation(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> Generation:
        assert engine.info.context == 20
        with pytest.raises(EngineError, match="no room"):
            await engine.generate(request([1] * 20))
        with pytest.raises(EngineError, match=r"this engine takes Request\.ids"):
            await engine.generate(request([]))
        with pytest.raises(EngineError, match="tokenizer"):
            await engine.generate(request([VOCABULARY]))
        return await engine.generate(request([1] * 15, max_tokens=100))

    generation = with_engine(folders[0], play, context=20)
    assert generation.completion_tokens == 5
    assert generation.finish_reason == "length"


async def step_is_reached(engine: TransformersEngine, number: int) -> Callable[[], None]:
    """Wait until the engine is about to take a step, and hold it there. Call the result to let the engine go on."""
    batch, reached, released = engine._batch, threading.Event(), threading.Event()
    assert batch is not None
    step, left = batch.step, iter(range(number - 1, -1, -1))

    def held(version: int) -> list[Any]:
        if batch.rows and next(left, 1) == 0:
            reached.set()
            assert released.wait(60)
        return step(version)

    batch.step = held  # type: ignore[method-assign]
    assert await asyncio.to_thread(reached.wait, 60)
    return released.set


def test_a_cancelled_request_makes_room(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> list[int]:
        long = asyncio.create_task(engine.generate(request([1, 2], max_tokens=200)))
        release = await step_is_reached(engine, 10)
        pausing = asyncio.create_task(engine.pause())
        await asyncio.sleep(0)
        release()
        await pausing
        (row,) = engine._batch.rows  # type: ignore[union-attr]
        waiting = asyncio.create_task(engine.generate(request([3, 4], 1, max_tokens=2)))
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        await engine.resume()
        generation = await waiting
        assert len(row.ids) < 202, "nobody went on with what was cancelled"
        return generation.ids or []

    assert len(with_engine(folders[0], play, max_requests=1)) == 2


def test_lower_priority_numbers_go_first(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> list[int]:
        order: list[int] = []

        async def ask(priority: int) -> None:
            await engine.generate(request([1, 2], priority, priority=priority, max_tokens=2))
            order.append(priority)

        await engine.pause()
        asked = [asyncio.create_task(ask(priority)) for priority in (3, 1, 2)]
        await asyncio.sleep(0.01)
        await engine.resume()
        await asyncio.gather(*asked)
        return order

    assert with_engine(folders[0], play, max_requests=1) == [1, 2, 3]


def test_pausing_stops_work_and_loses_nothing(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> tuple[Generation, Generation]:
        straight = await engine.generate(request([1, 2, 3], 5, max_tokens=60))
        asked = asyncio.create_task(engine.generate(request([1, 2, 3], 5, max_tokens=60)))
        await asyncio.sleep(0)
        await engine.pause()
        await asyncio.sleep(0.05)
        await engine.sleep()
        assert not asked.done()
        await engine.wake()
        await engine.resume()
        return straight, await asked

    straight, paused = with_engine(folders[0], play)
    assert straight.ids == paused.ids


@pytest.mark.parametrize("source", ["folder", "tensors"])
def test_new_weights_take_over_in_the_middle(folders: list[Path], source: str) -> None:
    """What was sampled before stays, what is sampled after is the new model's, on a cache of its own making."""
    weights = folders[1] if source == "folder" else list(make_model(1).named_parameters())

    async def play(engine: TransformersEngine) -> list[Generation]:
        await engine.pause()
        asked = [
            asyncio.create_task(engine.generate(request(p, n, max_tokens=120))) for n, p in enumerate(PROMPTS)
        ]
        await asyncio.sleep(0)  # all of them wait now, so that they join the batch at the same step
        await engine.resume()
        release = await step_is_reached(engine, 10)
        updating = asyncio.create_task(engine.update_weights(weights, 3))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        release()
        await updating
        assert engine.version == 3
        return [*await asyncio.gather(*asked), await engine.generate(request([1, 2, 3]))]

    *crossed, after = with_engine(folders[0], play)
    old, new = make_model(0), make_model(1)
    assert after.versions == ((3, 12),)
    check(after, [1, 2, 3], new)
    split = [g for g in crossed if len(g.versions) == 2]
    assert split == crossed, "every request was under way"
    for prompt, generation in zip(PROMPTS, crossed, strict=True):
        assert generation.ids is not None
        assert generation.logprobs is not None
        (first, count), (second, rest) = generation.versions
        assert (first, second, count + rest) == (0, 3, 120)
        ids = [*prompt, *generation.ids]
        assert generation.logprobs[:count] == pytest.approx(
            logprobs_of(old, ids, len(prompt))[:count], abs=1e-4
        )
        assert generation.logprobs[count:] == pytest.approx(
            logprobs_of(new, ids, len(prompt))[count:], abs=1e-4
        )


def test_weights_that_do_not_fit_change_nothing(folders: list[Path], tmp_path: Path) -> None:
    good = dict(make_model(1).named_parameters())
    name = "model.norm.weight"

    async def play(engine: TransformersEngine) -> tuple[Generation, Generation]:
        before = await engine.generate(request([1, 2, 3]))
        for wrong, why in (
            ({**good, "model.nose.weight": good[name]}, "unknown"),
            ({key: value for key, value in good.items() if key != name}, "missing"),
            ({**good, name: good[name][:3]}, "shape"),
        ):
            with pytest.raises(ConfigError, match=why):
                await engine.update_weights(wrong.items(), 1)
        with pytest.raises(ConfigError, match="safetensors"):
            await engine.update_weights(tmp_path, 1)
        assert engine.version == 0
        return before, await engine.generate(request([1, 2, 3]))

    before, after = with_engine(folders[0], play)
    assert before.ids == after.ids


def test_a_step_that_fails_fails_its_requests_and_no_others(folders: list[Path]) -> None:
    async def play(engine: TransformersEngine) -> Generation:
        model = engine._model
        right, model.forward = model.forward, None
        with pytest.raises(EngineError, match="transformers: TypeError"):
            await engine.generate(request([1, 2, 3]))
        model.forward = right
        return await engine.generate(request([1, 2, 3]))

    check(with_engine(folders[0], play), [1, 2, 3], make_model(0))


def test_a_closed_engine_answers_nobody(folders: list[Path]) -> None:
    async def main() -> None:
        engine = TransformersEngine(folders[0], device="cpu")
        assert isinstance(engine, Engine)
        with pytest.raises(EngineLostError):
            await engine.generate(request([1]))
        await asyncio.gather(engine.start(), engine.start())
        asked = asyncio.create_task(engine.generate(request([1], max_tokens=250)))
        release = await step_is_reached(engine, 10)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        release()
        await closing
        await engine.close()
        with pytest.raises(EngineLostError, match="closed"):
            await asked
        for use in (engine.generate(request([1])), engine.pause(), engine.start()):
            with pytest.raises(EngineLostError):
                await use
        await TransformersEngine(folders[0]).close()

    asyncio.run(main())


def test_models_and_settings_that_cannot_be_used_are_refused(folders: list[Path], tmp_path: Path) -> None:
    for wrong in ({"max_requests": 0}, {"context": 1}, {"dtype": "int3"}):
        with pytest.raises(ConfigError):
            TransformersEngine(folders[0], **wrong)  # type: ignore[arg-type]
    for engine in (TransformersEngine(tmp_path), TransformersEngine(folders[0], context=100_000)):
        with pytest.raises(ConfigError, match=str(engine.info.model)):
            asyncio.run(engine.start())
