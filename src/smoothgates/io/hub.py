"""Requests to the Hugging Face Hub. Errors become one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from smoothgates.errors import BadInput, TryAgain


@contextmanager
def asking(what: str, kind: str = "data set", instead: str = "") -> Iterator[None]:
    """Turn errors of requests for the repository `what` into BadInput or TryAgain.

    `kind`: data set or model. `instead`: ends the message with an alternative, where there is one.
    """
    from huggingface_hub.errors import HFValidationError, HTTPError, LocalEntryNotFoundError

    try:
        yield
    except (HTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError, HFValidationError) as error:
        raise fault(what, kind, instead, error) from None


def fault(what: str, kind: str, instead: str, error: Exception) -> Exception:
    """The error to raise: BadInput if another attempt would fail too, else TryAgain."""
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, HFValidationError):
        return BadInput(f"{what}: expected a name on the hub, ORGANISATION/NAME")
    if isinstance(error, RevisionNotFoundError):
        return BadInput(f"{what}: no such revision on the hub")
    if isinstance(error, GatedRepoError):
        return BadInput(f"{what}: on the hub, accept its terms as the user whose token is in HF_TOKEN")
    if isinstance(error, RepositoryNotFoundError):
        return BadInput(f"{what}: no such {kind} on the hub, or no access to it")
    if HF_HUB_OFFLINE:
        return BadInput(f"{what}: not in the cache, and HF_HUB_OFFLINE forbids to fetch it{instead}")
    if status is not None and status < 500 and status not in (408, 429):
        return BadInput(f"{what}: the hub refuses the request with status {status}")
    return TryAgain(f"{what}: the hub cannot be reached ({type(error).__name__}){instead}")
