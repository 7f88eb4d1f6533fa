"""The text interface: a published model's own template, tokens and end ids; prompts that are too long."""

import json
import subprocess
import sys

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from smoothgates.errors import BadInput
from smoothgates.policy.text import STAND_IN_TEMPLATE, compact_text, end_ids, published_text
from smoothgates.policy.tokenizer import build_tokenizer, load_tokenizer
from smoothgates.rollout.prompt_limit import check_prompt_lengths, within_prompt_limit
from smoothgates.rollout.sampler import SamplingParameters
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.rollout.token_environment import TokenEnvironment
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import torch_stream
from smoothgates.specs.rollout import Protocol
from smoothgates.tasks.task import Example, Prompt

CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As in Qwen's models: the template adds its own system message if there is none."""
PROMPT = Prompt("Q: {question}", system="Be brief.", prefill="<think>")
QUESTIONS = ["Why?", "Who is <|im_start|>, and where?", "Café or cafe\u0301? 12345"]


def bytes_tokenizer(*special: str) -> Tokenizer:
    """A tokenizer with one id for each byte, then the special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    return tokenizer


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that `Text` reads, with a chat template."""
    return write(tmp_path, bytes_tokenizer("<|im_start|>", "<|im_end|>", "<|endoftext|>"), CHATML)


def write(folder, tokenizer, template=None, ends=(257, 258), **settings):
    # A config of Qwen2, because transformers' automatic choice would then ignore the file's own pre-tokenizer.
    files = {
        "config.json": {"model_type": "qwen2", "eos_token_id": 258},
        "generation_config.json": {"eos_token_id": list(ends)},
        "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", **settings},
    }
    if template:
        files["tokenizer_config.json"]["chat_template"] = template
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


class TestPublished:
    def test_system_and_user_have_separate_turns_before_the_generation_prompt(self, folder):
        text = published_text(folder)
        assert text.render(PROMPT, "Why?") == (
            "<|im_start|>system\nBe brief.<|im_end|>\n"
            "<|im_start|>user\nQ: Why?<|im_end|>\n"
            "<|im_start|>assistant\n<think>"
        )
        assert "You are helpful." in text.render(Prompt(), "Why?")

    def test_special_tokens_are_single_ids_that_decode(self, folder):
        text = published_text(folder)
        assert text.ends == (257, 258)
        ids = text.prompts(PROMPT, QUESTIONS[:1])[0]
        assert ids.count(256) == 3
        assert ids.count(257) == 2
        assert text.tokenizer.decode(ids, skip_special_tokens=False) == text.render(PROMPT, QUESTIONS[0])

    def test_ids_are_those_of_tokenizer_json(self, folder):
        """Not the ids of the class that transformers would choose by the model's type."""
        text, own = published_text(folder), load_tokenizer(folder)
        expected = [own.encode(text.render(PROMPT, question)).ids for question in QUESTIONS]
        assert text.prompts(PROMPT, QUESTIONS) == expected
        assert own.decode(own.encode(QUESTIONS[2]).ids) == QUESTIONS[2]

    def test_a_template_in_a_separate_file_is_read(self, folder):
        from_config = published_text(folder).render(PROMPT, "Why?")
        config = json.loads((folder / "tokenizer_config.json").read_text())
        template = config.pop("chat_template")
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        (folder / "chat_template.jinja").write_text(template)
        assert published_text(folder).render(PROMPT, "Why?") == from_config
        assert published_text(folder).template == template

    def test_a_template_that_refuses_a_turn_is_reported_in_one_line(self, tmp_path):
        refusing = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system') }}{% endif %}"
        folder = write(tmp_path, bytes_tokenizer("<eos>"), refusing + "{{ m.content }}{% endfor %}", ends=[256])
        text = published_text(folder)
        assert text.render(Prompt(), "Why?") == "Why?"
        with pytest.raises(BadInput, match=r"chat template: refuses \['system', 'user'\] \(No system\)"):
            text.prompts(PROMPT, ["Why?"])

    def test_a_base_model_continues_plain_text_after_the_tokenizers_start_token(self, tmp_path):
        tokenizer = bytes_tokenizer("<s>", "</s>")
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
        text = published_text(write(tmp_path, tokenizer, ends=[257]))
        assert text.template is None
        ids = text.prompts(PROMPT, ["Why?"])[0]
        assert ids[0] == 256
        assert text.tokenizer.decode(ids) == "Be brief.\nQ: Why?<think>"

    def test_a_template_that_writes_the_start_token_gets_no_second_one(self, tmp_path):
        tokenizer = bytes_tokenizer("<s>", "</s>")
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
        folder = write(tmp_path, tokenizer, "{{ bos_token }}{{ messages[0].content }}", ends=[257], bos_token="<s>")
        assert published_text(folder).prompts(Prompt(), ["Why?"])[0].count(256) == 1

    def test_truncation_and_padding_in_the_file_are_ignored(self, tmp_path):
        tokenizer = bytes_tokenizer("<eos>")
        tokenizer.enable_truncation(4)
        tokenizer.enable_padding(length=8)
        text = published_text(write(tmp_path, tokenizer, ends=[256]))
        assert [len(ids) for ids in text.prompts(Prompt(), ["a", "a" * 50])] == [1, 50]

    def test_the_stand_ins_template_is_like_a_published_one(self, tmp_path):
        tokenizer = build_tokenizer(["Why?"], 400, "bytes")
        text = published_text(write(tmp_path, tokenizer, STAND_IN_TEMPLATE))
        assert text.render(PROMPT, "Why?") == "Be brief.\n<user>Q: Why?<assistant><think>"
        assert text.render(Prompt(), "Why?") == "<user>Why?<assistant>"


class TestEnds:
    @pytest.mark.parametrize(
        ("generation", "config", "ends"),
        [([5, 6], 7, (5, 6)), (5, 7, (5,)), (None, 7, (7,)), (0, 7, (0,)), (None, [7, 8], (7, 8))],
    )
    def test_the_generation_config_comes_first(self, tmp_path, generation, config, ends):
        (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": config}))
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": generation}))
        assert end_ids(tmp_path) == ends

    def test_a_model_may_have_no_generation_config(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 3}))
        assert end_ids(tmp_path) == (3,)

    def test_a_model_without_an_end_token_is_refused(self, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(BadInput, match=r"neither generation_config\.json nor config\.json has an eos_token_id"):
            end_ids(tmp_path)

    def test_a_completion_ends_at_any_end_token(self, policy):
        ends = (3, 17, 60)
        done = TorchSampler(policy).sample([[5, 6]], SamplingParameters(64, 40, ends), torch_stream(0, "samples"))
        last = done.ids.gather(1, done.lengths.unsqueeze(1) - 1).squeeze(1)[~done.truncated]
        assert set(last.tolist()) == set(ends)


class TestCompact:
    def test_the_question_is_in_one_turn(self, tokenizer):
        [ids] = compact_text(tokenizer).prompts(Prompt(), ["Eve has 9 pens"])
        assert tokenizer.decode(ids, skip_special_tokens=False) == "<user>Eve has 9 pens<assistant>"

    def test_compact_text_does_not_import_transformers(self):
        script = (
            "import sys, smoothgates.stages.policy, smoothgates.train.run.attempt; print('transformers' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == "False", done.stderr


EXAMPLES = [Example(f"e{n}", "a" * n, ("1",)) for n in (3, 30, 4, 31)]


class TestLongPrompts:
    def task_setup(self, limit: int | None) -> TaskSetup:
        protocol = Protocol(reward="answer", max_new_tokens=4, max_prompt_tokens=limit)
        return TaskSetup(Prompt("Q {question}"), lambda batch: [], None, protocol)

    @pytest.fixture
    def text(self, tmp_path):
        return published_text(write(tmp_path, bytes_tokenizer("<eos>"), ends=[256]))

    def test_long_prompts_are_left_out_of_training_and_the_order_is_kept(self, text):
        kept = within_prompt_limit(EXAMPLES, text, self.task_setup(32))
        assert [example.id for example in kept] == ["e3", "e30", "e4"]
        assert within_prompt_limit(EXAMPLES, text, self.task_setup(None)) == EXAMPLES

    def test_a_limit_that_leaves_nothing_is_refused(self, text):
        with pytest.raises(BadInput, match=r"protocol\.max_prompt_tokens: 4 is too few: every training example"):
            within_prompt_limit(EXAMPLES, text, self.task_setup(4))

    @pytest.mark.parametrize(("limit", "left"), [(32, 3), (None, 4)])
    def test_a_rollout_cannot_draw_more_prompts_than_remain(self, limit, left, text):
        assert len(within_prompt_limit(EXAMPLES, text, self.task_setup(limit), left)) == left
        with pytest.raises(BadInput, match=f"sampling.prompts: expected at most {left}, .*, got {left + 1}"):
            within_prompt_limit(EXAMPLES, text, self.task_setup(limit), left + 1)

    def test_a_benchmark_names_its_first_long_prompt(self, text):
        prompts = text.prompts(Prompt("Q {question}"), [example.question for example in EXAMPLES])
        check_prompt_lengths(EXAMPLES, prompts, self.task_setup(33))
        with pytest.raises(BadInput, match="6 is too few: the prompt of 'e30' has 32 tokens"):
            check_prompt_lengths(EXAMPLES, prompts, self.task_setup(6))


class Searching:
    stops, frame, max_replies = ("</search>", "</answer>"), ("<information>", "</information>"), 1


class TestWatchedTokens:
    """The ids that can end a turn, in a vocabulary of bytes."""

    def test_the_watched_ids_are_those_that_can_end_a_stop(self):
        tokenizer = build_tokenizer(["a>b", ">> >>> 漢字> é>"] * 9, 400, "bytes")
        tools = TokenEnvironment(tokenizer, Searching(), [], 8).tools()
        level = {char: byte for byte, char in byte_letters().items()}
        for token, i in tokenizer.get_vocab().items():
            special = token.startswith("<") and tokenizer.decode([i]) == ""
            raw = token.encode() if token.startswith("<") else bytes(level[char] for char in token)
            assert tools.watches(torch.tensor(i)) == (b">" in raw and not special), token

    def test_an_id_without_a_text_is_not_watched(self):
        tools = TokenEnvironment(bytes_tokenizer("<eos>"), Searching(), [], 8).tools()
        assert tools.watches(torch.tensor([ord(">") - 33, 257, 10_000])).tolist() == [True, False, False]

    def test_a_policy_may_have_more_ids_than_its_tokenizer(self, policy):
        """Published models do, and sometimes sample the reserved ids."""
        few = Tokenizer(models.BPE({char: i for i, char in enumerate("abcdefgh>")}, []))
        tools = TokenEnvironment(few, Searching(), [], 8).tools()
        parameters = SamplingParameters(8, 6, (3,))
        done = TorchSampler(policy).sample([[1, 2]], parameters, torch_stream(0, "samples"), tools)
        assert done.ids.max() >= 9

    def test_watched_ids_are_computed_once_for_all_batches(self):
        tokenizer = build_tokenizer(["Where is it? 漢字"], 400, "bytes")
        first, second = (TokenEnvironment(tokenizer, Searching(), [], 8).tools().watched for _ in range(2))
        assert first is second
        assert len(first) == 400


def byte_letters() -> dict[int, str]:
    """The letter of each byte in a byte-level vocabulary."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
