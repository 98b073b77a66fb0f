"""Embeddings by rules: near are texts that share words, in every process alike."""

import subprocess
import sys
from math import isclose

import pytest

from cf_llama_emulator.engines.embeddings import embed
from cf_llama_emulator.wire.embeddings import cosine

PASSAGES = [
    "Every employee has 27 days of paid leave a year. Unused leave lapses at the end of March.",
    "Trains are booked second class. Flights under 700 kilometres need the approval of a director.",
    "Laptops are replaced after four years. A broken laptop is exchanged within one working day.",
    "The canteen is open from eleven to two. Vegetarian food is served every day.",
    "Salaries are paid on the last working day of the month.",
    "New colleagues get a mentor for their first three months.",
    "Parking spaces are assigned by the front desk. Bicycles go into the cellar.",
    "Expenses are refunded within a week, when the receipts are handed in.",
    "Passwords have at least twelve characters and are never shared by mail.",
    "Sick notes are due on the third day of an illness.",
]
QUESTIONS = [
    ("How many days of paid leave does an employee have?", 0),
    ("Who has to approve a flight?", 1),
    ("What happens to my broken laptops?", 2),
    ("When does the canteen open?", 3),
    ("Are salaries paid each month?", 4),
    ("Where do I leave my bicycle when I am parking?", 6),
    ("How are expenses refunded?", 7),
    ("How long must a password be?", 8),
]


def near(one, other, dimensions=384):
    return cosine(embed(one, dimensions), embed(other, dimensions))


@pytest.mark.parametrize("dimensions", [384, 768, 1024])
@pytest.mark.parametrize(("question", "passage"), QUESTIONS)
def test_a_question_finds_the_passage_that_shares_its_words(question, passage, dimensions):
    scores = [near(question, text, dimensions) for text in PASSAGES]
    assert scores.index(max(scores)) == passage


TEXTS = ["Hello", "one two one two two", "", "  ", "!?", "日本語", "\ud800", "a" * 100_000, "the"]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("dimensions", [1, 384, 1024])
def test_each_vector_has_length_one(text, dimensions):
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    assert isclose(cosine(vector, vector), 1, abs_tol=1e-4)


def test_case_punctuation_and_endings_do_not_matter_much():
    assert near("The red bicycles!", "the red bicycle") > 0.95
    assert near("red bicycle", "bicycle, red") > 0.8
    assert near("employees", "employment") > near("employees", "weather") + 0.1


def test_words_that_tell_nothing_count_little():
    assert near("What is the weather?", "the weather") > 0.9
    assert near("What is the weather?", "What is the time?") < 0.4


def test_spaces_have_nothing_to_do_with_each_other():
    one, other = embed("a red bicycle", 384, "one"), embed("a red bicycle", 384, "other")
    assert abs(cosine(one, other)) < 0.4


def test_another_process_gives_the_same():
    code = "from cf_llama_emulator.engines.embeddings import embed; print(embed('a red bicycle', 16, 'space'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert other.stdout.strip() == str(embed("a red bicycle", 16, "space"))
