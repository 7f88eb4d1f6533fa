"""transformers' Auto classes read a trained policy's folder as we do: ids, template, answers."""

import random

import pytest
import torch

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import load_policy
from smoothgates.policy.save import save_policy
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.supervised import SupervisedPhase
from smoothgates.study.loader import load_study
from smoothgates.tasks import load_rewards, load_task
from smoothgates.tasks.task import Prompt
from smoothgates.train.supervised import Demonstrations, train_supervised

LAPTOP = load_study("laptop").config
SIZE = {"words": LAPTOP.architecture.vocab_size, "bytes": 400}


def generator_of(task):
    return load_task(task).generators[LAPTOP.tasks[task].data.train[0].source]


def examples_of(task, count):
    stream = generator_of(task).generate(python_stream(0, "examples"))
    return [next(stream) for _ in range(count)]


def texts_of(task, examples):
    """Questions, and every text that the policy may write or receive."""
    generator = generator_of(task)
    shown = [text for example in examples for text, _ in generator.careful(example)]
    return [*(example.question for example in examples), *shown, *generator.replies]


def made(folder, task, kind, examples):
    """A policy for these texts and its tokenizer; its folder is saved."""
    tokenizer = build_tokenizer(texts_of(task, examples), SIZE[kind], kind)
    arch = LAPTOP.architecture.model_copy(update={"vocab_size": SIZE[kind]})
    policy = Decoder(arch).initialise(torch_stream(0, "initialise"))
    save_policy(folder, policy, tokenizer)
    return policy, tokenizer


@pytest.mark.parametrize("kind", SIZE)
@pytest.mark.parametrize("task", LAPTOP.tasks)
def test_transformers_gives_the_same_ids_for_every_text_of_the_laptop_study(task, kind, tmp_path):
    from transformers import AutoTokenizer

    examples = examples_of(task, 500)
    _, ours = made(tmp_path, task, kind, examples)
    theirs, text = AutoTokenizer.from_pretrained(tmp_path), load_policy(tmp_path)[1]
    assert (len(theirs), theirs.eos_token_id, theirs.pad_token_id) == (SIZE[kind], text.ends[0], 0)
    for each in texts_of(task, examples):
        ids = theirs.encode(each)
        assert ids == ours.encode(each).ids
        assert theirs.decode(ids) == each
    chats = [[{"role": "user", "content": example.question}] for example in examples]
    prompts = text.prompts(Prompt(), [example.question for example in examples])
    assert theirs.apply_chat_template(chats, add_generation_prompt=True, return_dict=False) == prompts


def test_the_template_puts_the_system_message_before_the_question(tmp_path):
    from transformers import AutoTokenizer

    prompt = Prompt("Question: {question}", system="Be brief.")
    made(tmp_path, "math", "bytes", examples_of("math", 50))
    chat = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.ask("Why?")}]
    found = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(chat, return_dict=False)
    assert [found] == load_policy(tmp_path)[1].prompts(prompt, ["Why?"])


@pytest.mark.parametrize("kind", SIZE)
def test_transformers_samples_answers_that_earn_the_tasks_reward(kind, tmp_path):
    """Completions of a policy that has memorised a few problems."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    known, others = examples_of("math", 200)[:2], examples_of("math", 200)
    policy, tokenizer = made(tmp_path, "math", kind, others)
    phase = SupervisedPhase(steps=150, optimizer=Adam(lr=1e-2, warmup=5))
    train_supervised(policy, Demonstrations(tokenizer, generator_of("math"), known), phase, 2, random.Random(0))
    save_policy(tmp_path, policy, tokenizer)

    model, theirs = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    torch.manual_seed(0)
    for example in known:
        chat = [{"role": "user", "content": example.question}]
        prompt = theirs.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        found = model.generate(**prompt, max_new_tokens=40)
        answer = theirs.decode(found[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        (verdict,) = load_rewards("math")["exact"]([(answer, example, False)])
        assert verdict.reward == 1, answer
