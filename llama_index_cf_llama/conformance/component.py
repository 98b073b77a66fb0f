"""Tests of a model as a LlamaIndex component."""
# ruff: noqa: S101 - tests assert

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.llms.utils import resolve_llm

from llama_index_cf_llama.conformance.base import Conformance


class ComponentConformance(Conformance):
    """Class, metadata and serialization."""

    def test_is_an_llm(self, llm: Any) -> None:
        """`Settings.llm` and everything that accepts a model."""
        assert isinstance(llm, LLM)
        assert resolve_llm(llm) is llm

    def test_has_a_name_of_its_own(self, llm: Any) -> None:
        """Stored indices, which identify the class by this name."""
        assert llm.class_name() not in {base.class_name() for base in LLM.__mro__ if hasattr(base, "class_name")}

    def test_says_what_it_is(self, llm: Any) -> None:
        """Prompt helpers, memory, and the choice between an agent that calls tools and one that reasons in text."""
        metadata = llm.metadata
        assert isinstance(metadata, LLMMetadata)
        assert 0 < metadata.num_output < metadata.context_window
        assert metadata.model_name != "unknown"
        assert metadata.is_chat_model

    def test_is_stored_as_json(self, llm: Any) -> None:
        """Stored pipelines."""
        stored = json.loads(llm.to_json())
        assert stored["class_name"] == llm.class_name()
        assert json.loads(type(llm).from_dict(stored).to_json()) == stored

    def test_is_pickled_and_copied(self, llm: Any) -> None:
        """Ingestion in multiple processes."""
        restored = pickle.loads(pickle.dumps(llm))  # noqa: S301 - pickled in this line
        assert restored.to_dict() == llm.to_dict()
        assert copy.deepcopy(llm).to_dict() == llm.to_dict()

    def test_secrets_are_not_seen(self, llm: Any) -> None:
        """Logs, traces and stored pipelines."""
        shown = [repr(llm), str(llm), llm.to_json(), repr(llm.to_payload())]
        if not self.pickles_secrets:
            shown.append(pickle.dumps(llm).decode("latin-1"))
        assert not [secret for secret in self.secrets for text in shown if secret in text]

    def test_takes_a_callback_manager(self, llm: Any) -> None:
        """`Settings.callback_manager`, which LlamaIndex sets on an existing model."""
        manager = CallbackManager()
        llm.callback_manager = manager
        assert llm.callback_manager is manager
