"""Whatever an agent writes over HTTP, the service answers and the episode goes on or ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from mutations import messages

from wideseek_env.game import GameConfig

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from fastapi.testclient import TestClient

from wideseek_env.serve.agents import create_agents_app
from wideseek_env.serve.agents.desk import DeskSettings, EpisodeDesk


@pytest.fixture(scope="module")
def client() -> object:
    game = GameConfig(tasks="synthetic:seed=3,pages=400", split="test").open()
    desk = EpisodeDesk(game, policies=None, settings=DeskSettings(seat="single"))
    with TestClient(create_agents_app(desk), raise_server_exceptions=False) as client:
        yield client


@given(text=messages)
@settings(max_examples=60, deadline=None)
def test_every_message_gets_an_answer(client: TestClient, text: str) -> None:
    number = client.post("/v1/episodes", json={}).json()["id"]
    body = json.dumps({"message": {"role": "assistant", "content": text}})
    answer = client.post(
        f"/v1/episodes/{number}/messages", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    state = client.get(f"/v1/episodes/{number}")
    assert state.status_code == 200, state.text
    state.content.decode()
