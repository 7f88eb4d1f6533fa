"""Completions with tools: exactly the sampled tokens are trained on, for any text of the policy."""

import dataclasses
import itertools
import json

import pytest
import torch
from rounding import FORWARD, assert_rounded

from smoothgates.errors import BadInput
from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.text import compact_text
from smoothgates.policy.tokenizer import EOS, PAD, build_tokenizer
from smoothgates.rollout.collect import Actor
from smoothgates.rollout.sampler import Completions, SamplingParameters
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.token_environment import TokenEnvironment, until_stop
from smoothgates.rollout.torch_sampler import TorchSampler, complete, sample
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs.rollout import Protocol, Tools
from smoothgates.study.loader import load_study
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Example, Prompt, Verdict, each
from smoothgates.tasks.toolqa.environment import SearchEnvironment

ASKED = Example("0", "Who is it?", ("Gus",))
PROTOCOL = Protocol(reward="em", max_new_tokens=40, tools=Tools(max_searches=2, max_reply_tokens=6))
TEXTS = ["Who is it?", " a b c d e f g h x of Gus Pam no result. no query.", "a b c", "b", "c", " "]


@pytest.fixture(scope="module", params=["words", "bytes"])
def vocabulary(request):
    return build_tokenizer(TEXTS, 320, request.param)


class Scripted:
    """Texts of one prompt that a script continues: it writes `turns[i]` after i replies."""

    def __init__(self, tokenizer, turns: list[str], end: int):
        self.turns = [tokenizer.encode(turn).ids for turn in turns]
        self.reply_end, self.end = tokenizer.encode("</information>").ids, end
        self.rows = [[]]

    @property
    def logits(self):
        following = torch.tensor([self.next(row) for row in self.rows])
        return 50 * torch.nn.functional.one_hot(following, 320).float()

    def grow(self, parents, tokens):
        self.rows = [[*self.rows[i], token] for i, token in zip(parents.tolist(), tokens.tolist(), strict=True)]

    def next(self, row: list[int]) -> int:
        size = len(self.reply_end)
        ends = [i + size for i in range(len(row) - size + 1) if row[i : i + size] == self.reply_end]
        spoken = len(row) - (ends[-1] if ends else 0)
        turn = self.turns[len(ends)] if len(ends) < len(self.turns) else []
        return turn[spoken] if spoken < len(turn) else self.end

    def complete(self, limit, ends, calls):
        return complete(self, 1, SamplingParameters(1, limit, ends), torch_stream(0, "s"), calls.tools())


def converse(tokenizer, turns, found="a b c", limit=60, ends=None, replies=2, end=None):
    """A completion of a scripted policy with tools: completions, environment and ids."""
    ends = ends or (tokenizer.token_to_id(EOS),)
    environment = SearchEnvironment(lambda asked: [found for _ in asked], max_replies=replies)
    calls = TokenEnvironment(tokenizer, environment, [ASKED], max_reply_tokens=6)
    policy = Scripted(tokenizer, turns, ends[0] if end is None else end)
    done = policy.complete(limit, ends, calls)
    ids = done.ids[0, : done.lengths[0]].tolist()
    return done, calls, ids


def spans(done, ids, tokenizer) -> tuple[str, str]:
    """The text that the policy sampled, and the text that was inserted."""
    mask = done.mask[0, : len(ids)].tolist()
    own = [i for i, m in zip(ids, mask, strict=True) if m]
    inserted = [i for i, m in zip(ids, mask, strict=True) if not m]
    return tokenizer.decode(own, skip_special_tokens=False), tokenizer.decode(inserted)


def test_replies_are_inserted_and_masked(vocabulary):
    done, calls, ids = converse(vocabulary, ["<search> a</search>", "<search> b</search>", "<answer> Gus</answer>"])
    own, inserted = spans(done, ids, vocabulary)
    assert own == "<search> a</search><search> b</search><answer> Gus</answer>"
    assert inserted == 2 * "<information>a b c</information>"
    assert vocabulary.decode(ids).startswith("<search> a</search><information>a b c</information><search> b")
    assert not done.truncated[0]
    assert calls.replies[0] == 2
    assert (done.logp[0][~done.mask[0]] == 0).all()
    assert (done.entropy[0][~done.mask[0]] == 0).all()


def test_sampled_ids_are_never_tokenised_again(vocabulary):
    """The policy writes ` a` and `b` next to each other, which the tokenizer would read as one word or another pair."""
    turn = [vocabulary.token_to_id(t) for t in ("<search>", "</search>")]
    odd = vocabulary.encode(" a").ids + vocabulary.encode("b").ids
    environment = SearchEnvironment(lambda asked: ["c" for _ in asked], max_replies=1)
    calls = TokenEnvironment(vocabulary, environment, [ASKED], 6)
    policy = Scripted(vocabulary, ["", "<answer> Gus</answer>"], 1)
    policy.turns[0] = [turn[0], *odd, turn[1]]
    done = policy.complete(60, (1,), calls)
    assert done.ids[0, : len(policy.turns[0])].tolist() == policy.turns[0]
    assert done.mask[0, : len(policy.turns[0])].all()


def test_a_sampled_end_token_is_kept_even_if_it_is_also_padding(vocabulary):
    pad = vocabulary.token_to_id(PAD)
    done, _, ids = converse(vocabulary, ["<search> a</search>", " b"], ends=[pad])
    assert ids[-1] == pad
    assert bool(done.mask[0, len(ids) - 1])
    assert int(done.mask.sum()) == sum(len(vocabulary.encode(t).ids) for t in ("<search> a</search>", " b")) + 1


@pytest.mark.parametrize("which", [0, 1])
def test_any_of_several_end_tokens_ends_a_completion(vocabulary, which):
    ends = [vocabulary.token_to_id(EOS), vocabulary.token_to_id(PAD)]
    done, _, ids = converse(vocabulary, [" a b"], ends=ends, end=ends[which])
    assert ids == [*vocabulary.encode(" a b").ids, ends[which]]
    assert not done.truncated[0]


def test_a_turn_cut_by_the_limit_is_truncated(vocabulary):
    done, calls, ids = converse(vocabulary, ["<search> a b c d e f g h a b c d</search>"], limit=5)
    assert done.truncated[0]
    assert len(ids) == int(done.mask.sum()) == 5
    assert calls.replies[0] == 0


def test_replies_do_not_count_towards_the_limit(vocabulary):
    turns = ["<search> a</search>", "<answer> Gus</answer>"]
    spoken = sum(len(vocabulary.encode(turn).ids) for turn in turns)
    done, _, _ = converse(vocabulary, turns, limit=spoken)
    assert not done.truncated[0]
    assert converse(vocabulary, turns, limit=spoken - 1)[0].truncated[0]


@pytest.mark.parametrize(
    ("turn", "reply"),
    [
        ("<search> a</search>", "a b c"),
        (" a</search>", " no query."),
        ("<search></search>", " no query."),
        ("<search> </search>", " no query."),
        ("<search> x<search> a</search>", "a b c"),
        ("<answer><search> a</search>", "a b c"),
        ("</search>", " no query."),
    ],
)
def test_malformed_and_nested_tags_get_a_reply(vocabulary, turn, reply):
    done, _, ids = converse(vocabulary, [turn, "<answer> Gus</answer>"])
    assert spans(done, ids, vocabulary)[1] == f"<information>{reply}</information>"


def test_information_that_the_policy_invents_counts_as_sampled(vocabulary):
    done, calls, ids = converse(vocabulary, ["<information> a</information> b"])
    assert done.mask[0, : len(ids)].all()
    assert calls.replies[0] == 0


def test_a_search_without_a_result_says_so(vocabulary):
    done, _, ids = converse(vocabulary, ["<search> a</search>", "<answer> Gus</answer>"], found="")
    assert spans(done, ids, vocabulary)[1] == "<information> no result.</information>"


def test_a_search_beyond_the_limit_ends_the_completion_without_an_answer(vocabulary):
    done, calls, ids = converse(vocabulary, ["<search> a</search>"] * 3)
    assert calls.replies[0] == 2
    assert vocabulary.decode(ids).endswith("<search> a</search>")
    assert not done.truncated[0]


def test_a_long_reply_is_cut_inside_its_frame(vocabulary):
    done, _, ids = converse(vocabulary, ["<search> a</search>", "<answer> Gus</answer>"], found=" a b c d e f g h" * 9)
    inserted = spans(done, ids, vocabulary)[1]
    assert inserted.startswith("<information> a b c")
    assert inserted.endswith("</information>")
    assert int((~done.mask[0, : len(ids)]).sum()) == 6 + sum(
        len(vocabulary.encode(tag).ids) for tag in ("<information>", "</information>")
    )


def test_the_first_stop_ends_the_turn():
    assert until_stop("a</answer> b</search>", ("</search>", "</answer>")) == "a</answer>"
    assert until_stop("a</search", ("</search>",)) is None


def test_a_stop_spread_over_several_tokens_is_recognised(vocabulary):
    """`</search>` need not be one token."""
    if vocabulary.token_to_id("<") is None or vocabulary.token_to_id("/") is None:
        return  # the word tokenizer cannot spell it any other way
    pieces = [i for c in "</search>" for i in vocabulary.encode(c).ids]
    environment = SearchEnvironment(lambda asked: ["c" for _ in asked], max_replies=1)
    calls = TokenEnvironment(vocabulary, environment, [ASKED], 6)
    policy = Scripted(vocabulary, ["", "<answer> Gus</answer>"], 1)
    policy.turns[0] = vocabulary.encode("<search> a").ids + pieces
    policy.complete(60, (1,), calls)
    assert calls.replies[0] == 1


def test_a_search_of_an_index_finds_real_passages(tmp_path):
    from smoothgates.stages.index import run as build_index

    manifest = tmp_path / "manifest.json"
    spec = {"kind": "bm25", "corpus": ["../shared/data/toolqa/corpus_hotpotqa.jsonl"]}
    build_index(json.dumps(spec), manifest)
    tools = Tools(retriever="passages", top=2, max_searches=1, max_reply_tokens=400)
    task_setup = load_task_setup("toolqa", Protocol(reward="em", max_new_tokens=90, tools=tools), manifest)
    tokenizer = build_tokenizer(TEXTS, 320, "bytes")
    calls = TokenEnvironment(tokenizer, task_setup.environment, [ASKED], tools.max_reply_tokens)
    policy = Scripted(tokenizer, ["<search> Gallu demon</search>", "<answer> a spirit</answer>"], 1)
    done = policy.complete(90, (1,), calls)
    text = tokenizer.decode(done.ids[0, : done.lengths[0]].tolist())
    assert '<information>Doc 1(Title: "Alû")' in text
    gold = dataclasses.replace(ASKED, answers=("a spirit",))
    assert task_setup.judge([(text, gold, False)])[0].reason == "correct"
    assert task_setup.judge([(text.replace("spirit", "demon"), gold, False)])[0].reason == "wrong"


# -- with a real policy ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def families():
    """The laptop's tool task: examples, a tokenizer, and a policy that often writes tags."""
    generator = load_task("toolqa").generators["families"]
    stream = generator.generate(python_stream(0, "problems"))
    examples = [next(stream) for _ in range(200)]
    texts = [t for e in examples for t in (e.question, *(s for s, _ in generator.careful(e)))]
    tokenizer = build_tokenizer([*texts, *generator.replies], 112)
    policy = Decoder(load_study("laptop").config.architecture).initialise(torch_stream(0, "initialise"))
    with torch.no_grad():
        for tag in ("<search>", "</search>", "<answer>", "</answer>"):
            policy.model.embed_tokens.weight[tokenizer.token_to_id(tag)] *= 4
    return examples, tokenizer, policy


@pytest.mark.parametrize(("writer", "extracted"), [("policy", "Gus"), ("tool", None)])
def test_the_mask_decides_which_text_is_judged(vocabulary, writer, extracted):
    """The same text is an answer if the policy wrote it, and none if the tool did."""
    ids = vocabulary.encode("<search> a</search><information><answer> Gus</answer></information>").ids
    asked = len(vocabulary.encode("<search> a</search>").ids)
    own = [i < asked or writer == "policy" for i in range(len(ids))]

    class Fixed:
        def sample(self, *_):
            whole = torch.tensor([len(ids)])
            return Completions(torch.tensor([ids]), torch.zeros(1, len(ids)), torch.tensor([own]), whole, whole < 0)

    task_setup = load_task_setup("toolqa", PROTOCOL)
    found = Actor(Fixed(), compact_text(vocabulary), task_setup).answer([ASKED], 1, torch_stream(0, "s"))
    assert found.verdicts[0].extracted == extracted
    assert found.verdicts[0].reward == (writer == "policy")
    assert "<information>" in found.texts[0]


def test_log_probabilities_with_replies_are_the_policys(families):
    examples, tokenizer, policy = families
    task_setup = load_task_setup("toolqa", PROTOCOL)
    actor = Actor(TorchSampler(policy), compact_text(tokenizer), task_setup)
    found = actor.answer(examples[:16], 4, torch_stream(0, "s"))
    done = found.completions
    assert max(found.replies) > 0
    assert (done.mask.sum(1) < done.lengths).any()
    assert (done.lengths - done.mask.sum(1) > 0).sum() == sum(count > 0 for count in found.replies)
    for row in range(0, 64, 5):
        prompt, length = found.prompts[row // 4], int(done.lengths[row])
        ids = torch.tensor([prompt + done.ids[row, :length].tolist()])
        with torch.no_grad():
            logp, _ = completion_logprobs(policy, ids, torch.tensor([len(prompt)]), length)
        mask = done.mask[row, :length]
        assert_rounded(logp[0][mask], done.logp[row][:length][mask], FORWARD)


def test_replies_get_no_gradient(families, collected):
    examples, tokenizer, policy = families
    rewards = itertools.cycle([1.0, 0.0])
    judge = each(lambda text, example, cut: Verdict(next(rewards), {}, None, "wrong"))
    task_setup = dataclasses.replace(load_task_setup("toolqa", PROTOCOL), judge=judge)
    rollout = collected(policy, tokenizer, task_setup, examples[:8])
    assert len(rollout.rows) == 32
    assert (rollout.mask.sum(1) < rollout.lengths).any()
    assert rollout.metrics["length"] == pytest.approx(rollout.sampled.sum(1).float().mean().item())
    logp = rollout.old_logp.clone().requires_grad_()
    loss, _ = policy_loss(
        logp, rollout.old_logp, torch.ones(32), rollout.mask, load_methods("config/methods.yaml")["gspo"]
    )
    loss.backward()
    assert (logp.grad[~rollout.mask] == 0).all()
    assert (logp.grad[rollout.mask] != 0).all()


def test_a_policy_with_too_few_positions_is_named(families):
    examples, tokenizer, policy = families
    prompts = compact_text(tokenizer).prompts(Prompt(), [examples[0].question])
    with pytest.raises(BadInput, match="max_position_embeddings: 256 is too few"):
        sample(policy, prompts, SamplingParameters(2, 300, (1,)), torch_stream(0, "s"))


def test_temperature_zero_takes_the_most_likely_token(families):
    examples, tokenizer, policy = families
    prompts = compact_text(tokenizer).prompts(Prompt(), [e.question for e in examples[:4]])
    greedy = SamplingParameters(2, 8, (1,), temperature=0.0)
    first, again = (sample(policy, prompts, greedy, torch_stream(s, "s")) for s in (0, 1))
    assert torch.equal(first.ids, again.ids)
    with torch.no_grad():
        likeliest = policy.logits(policy.hidden(torch.tensor([prompts[0]])))[0, -1].argmax()
    assert first.ids[0, 0] == likeliest
