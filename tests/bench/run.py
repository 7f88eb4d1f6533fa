"""Speed of the parts relative to other implementations. Run by `make bench`; one thread, medians, A and B interleaved.

Ratios compare implementations on this machine; absolute times on a shared machine mean little.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.save import save_policy
from smoothgates.policy.text import compact_text
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.rollout.sampler import SamplingParameters
from smoothgates.rollout.torch_sampler import sample
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.study.loader import load_study
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Prompt

torch.set_num_threads(1)


def compare(name: str, ours: Callable, theirs: Callable, other: str, repeats: int = 15) -> dict:
    """Median seconds of both. They alternate, so that drift of the machine affects both alike."""
    times: tuple[list[float], list[float]] = [], []
    for i in range(repeats + 2):
        for function, kept in zip((ours, theirs), times, strict=True):
            began = time.process_time()
            function()
            if i >= 2:
                kept.append(time.process_time() - began)
    a, b = (statistics.median(kept) for kept in times)
    print(f"{name:34} {1e3 * a:9.2f} ms   {other:30} {1e3 * b:9.2f} ms   {b / a:6.2f}x", flush=True)
    return {"what": name, "seconds": a, "against": other, "their_seconds": b, "ratio": b / a}


def start_up_row() -> dict:
    """CPU seconds of a child that imports what a training needs, ours and transformers'."""
    import resource

    def children(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    ours = statistics.median(children("import smoothgates.cli, smoothgates.train.run.attempt") for _ in range(3))
    theirs = statistics.median(
        children("import torch; from transformers import Qwen2ForCausalLM; torch.optim.AdamW([torch.ones(1)])")
        for _ in range(3)
    )
    print(
        f"{'start of a training process':34} {ours:9.2f} s    {'transformers, torch.optim':30} {theirs:9.2f} s "
        f"   {theirs / ours:6.2f}x"
    )
    return {"what": "start", "seconds": ours, "against": "transformers, torch.optim", "their_seconds": theirs}


def main() -> None:
    arch = load_study("laptop").config.architecture
    stream = load_task("math").generators["word_problems"].generate(python_stream(0, "problems"))
    problems = [next(stream) for _ in range(400)]
    tokenizer = build_tokenizer([text for p in problems for text in (p.question, p.extra["solution"])], arch.vocab_size)
    policy = Decoder(arch).initialise(torch_stream(0, "initialise"))
    with tempfile.TemporaryDirectory() as folder:
        save_policy(Path(folder), policy, tokenizer)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    rows = [start_up_row()]
    ids = torch.randint(5, 60, (32, 54), generator=torch_stream(0, "ids"))

    def our_step():
        torch.autograd.grad(policy.logits(policy.hidden(ids)).log_softmax(-1).mean(), list(policy.parameters()))

    def their_step():
        torch.autograd.grad(theirs(ids, use_cache=False).logits.log_softmax(-1).mean(), list(theirs.parameters()))

    rows.append(compare("forward + backward, 32 x 54 tokens", our_step, their_step, "transformers Qwen2"))

    prompts = compact_text(tokenizer).prompts(Prompt(), [p.question for p in problems[:16]])
    width = max(map(len, prompts))
    padded = torch.tensor([[0] * (width - len(p)) + p for p in prompts]).repeat_interleave(8, 0)

    def our_sample():
        parameters = SamplingParameters(8, 32, (arch.vocab_size,))  # an end token that never comes
        sample(policy, prompts, parameters, torch_stream(0, "samples"))

    def their_sample():
        torch.manual_seed(0)
        theirs.generate(
            padded, attention_mask=(padded > 0).long(), do_sample=True, top_k=0, min_new_tokens=32, max_new_tokens=32
        )

    rows.append(compare("sample 128 x 32 tokens, with log π", our_sample, their_sample, "transformers generate", 5))

    generator = torch_stream(0, "batch")
    old = -torch.rand(128, 512, generator=generator)
    logp = (old + 0.1 * torch.randn(128, 512, generator=generator)).requires_grad_()
    advantage, mask = torch.randn(128, generator=generator), torch.ones(128, 512)
    methods = load_methods("config/methods.yaml")

    def plain_grpo():
        ratio = (logp - old).exp()
        a = advantage.unsqueeze(1)
        loss = -torch.min(ratio * a, ratio.clamp(0.8, 1.2) * a)
        torch.autograd.grad(((loss * mask).sum(1) / mask.sum(1)).mean(), logp)

    for name in ("grpo", "gspo", "sapo", "erf", "arctan", "softsign", "grpo_sg"):

        def ours(method=methods[name]):
            torch.autograd.grad(policy_loss(logp, old, advantage, mask, method)[0], logp)

        rows.append(compare(f"{name} with diagnostics, 128 x 512", ours, plain_grpo, "bare GRPO by autograd"))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
