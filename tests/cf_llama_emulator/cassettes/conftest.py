import pytest

from tests.cf_llama_emulator.cassettes.other_service import OtherService, answers


@pytest.fixture
def service():
    """The other server, which answers with `answers`."""
    with OtherService(answers) as running:
        yield running


@pytest.fixture
def path(tmp_path):
    """Where there is no cassette yet."""
    return tmp_path / "cassettes" / "a.jsonl"
