"""Questions about a context, in the prompts that frameworks bring along."""

import pytest

from cf_llama_emulator.engines.rules.retrieval import NOT_FOUND, best_sentence
from tests.cf_llama_emulator.client import ask_user

DOCUMENTS = "The Eiffel Tower stands in Paris. It was finished in 1889.\n\nThe Colosseum stands in Rome. It is old."
QUESTION = "Where does the Colosseum stand?"
ANSWER = "The Colosseum stands in Rome."
RULE = "---------------------"

QA = (
    f"Context information is below.\n{RULE}\n{DOCUMENTS}\n{RULE}\n"
    f"Given the context information and not prior knowledge, answer the query.\nQuery: {QUESTION}\nAnswer: "
)
HUB = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the "
    f"question.\nQuestion: {QUESTION} \nContext: {DOCUMENTS} \nAnswer:"
)
CLASSIC = f"Answer the question based only on the following context:\n{DOCUMENTS}\n\nQuestion: {QUESTION}\n"


@pytest.mark.parametrize("prompt", [QA, HUB, CLASSIC])
def test_the_sentence_of_the_context_answers(rules, prompt):
    assert rules.result(ask_user(prompt))["response"] == ANSWER
    assert rules.result({"prompt": prompt})["response"] == ANSWER


@pytest.mark.parametrize(
    "system",
    [
        f"Use the context information below to assist the user.\n{RULE}\n{DOCUMENTS}\n{RULE}\n",
        f"Here are the relevant documents for the context:\n\n{DOCUMENTS}\n\nInstruction: answer the user question.",
        f"Use the following pieces of retrieved context to answer. Keep it concise.\n\n{DOCUMENTS}",
    ],
)
def test_the_context_may_be_in_the_system_turn(rules, system):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]
    assert rules.result({"messages": messages})["response"] == ANSWER


@pytest.mark.parametrize(("existing", "answer"), [("It is in Athens.", ANSWER), (ANSWER, ANSWER)])
@pytest.mark.parametrize(
    "prompt",
    [
        (
            "The original query is as follows: {question}\nWe have provided an existing answer: {existing}\n"
            "We have the opportunity to refine it with some more context below.\n"
            "------------\n{context}\n------------\nRefined Answer: "
        ),
        (
            "When in doubt, just repeat the original answer.\nNew Context: {context}\nQuery: {question}\n"
            "Original Answer: {existing}\nNew Answer: "
        ),
    ],
)
def test_an_answer_is_refined_or_kept(rules, prompt, existing, answer):
    context = DOCUMENTS if answer != existing else "Nothing of use."
    text = prompt.format(question=QUESTION, existing=existing, context=context)
    assert rules.result(ask_user(text))["response"] == answer


def test_a_context_without_an_answer_is_said_to_have_none(rules):
    prompt = QA.replace(QUESTION, "How much does bread cost?")
    assert rules.result(ask_user(prompt))["response"] == NOT_FOUND


def test_a_follow_up_stays_what_it_is(rules):
    prompt = (
        "Given the following conversation, rephrase the follow up question to be a standalone question.\n\n"
        f"Chat History:\nuser: Hello\nFollow Up Input: {QUESTION}\nStandalone question:"
    )
    assert rules.result(ask_user(prompt))["response"] == QUESTION


def test_the_first_of_equals_and_the_most_shared_words():
    assert (
        best_sentence("red apples", "Red pears. Red plums. Green apples that are red!") == "Green apples that are red!"
    )
    assert best_sentence("red", "A red pear. A red plum.") == "A red pear."
    assert best_sentence("blue", "A red pear.") == NOT_FOUND
