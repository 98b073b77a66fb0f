"""LangChain's own integration suite against the service."""

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_cf_llama import ChatCloudflareLlama


@pytest.mark.live
class TestService(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatCloudflareLlama

    @property
    def supports_json_mode(self):
        return True

    @property
    def model_override_value(self):
        return "@cf/meta/llama-3.1-8b-instruct-fast"
