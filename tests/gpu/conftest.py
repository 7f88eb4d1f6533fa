"""Tests on a GPU, or with `--device cpu` a rehearsal of them on ordinary cores. See reports/gpu/README.md."""

import pytest
import torch


def pytest_addoption(parser):
    parser.addoption("--device", choices=("cuda", "cpu"), default="cuda")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--device") == "cuda" and not torch.cuda.is_available():
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(scope="session")
def device(request) -> str:
    return request.config.getoption("--device")
