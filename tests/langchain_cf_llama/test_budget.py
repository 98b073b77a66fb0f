"""A budget around a block of chains, and on a model."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest

from cf_llama import Budget, BudgetExceededError, budget
from cf_llama_emulator.wire.engine_protocol import End
from langchain_cf_llama import ChatCloudflareLlama

WORST = 300 * 0.293e-6 + 100 * 2.253e-6  # of a body of less than 300 bytes


def test_a_block_holds_all_that_is_called_in_it(native_stage):
    llm = native_stage.model(*[["Hello", End("stop", 20, 50)]] * 20, max_tokens=100)
    with budget(usd=1.5 * WORST) as limit:
        assert llm.batch(["Hi"])[0].text == "Hello"
        with pytest.raises(BudgetExceededError):
            llm.batch(["Hi"] * 10)

        async def in_tasks():
            return await asyncio.gather(*(llm.ainvoke("Hi") for _ in range(4)), return_exceptions=True)

        assert any(isinstance(each, BudgetExceededError) for each in asyncio.run(in_tasks()))
        spent = limit.spent
    llm.invoke("Hi")
    assert limit.spent == spent


def test_models_share_a_budget_and_do_not_show_it():
    limit = Budget(usd=1)
    llm = ChatCloudflareLlama(budget=limit)
    assert copy.deepcopy(llm).budget is limit
    assert llm.model_copy().budget is limit
    assert pickle.loads(pickle.dumps(llm)).budget is None
    assert "budget" not in repr(llm)
    assert "budget" not in llm.model_dump()
