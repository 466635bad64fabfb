"""Load any HF model from a Hub id or a local directory."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from fusion_bench.models.hub import model_directory


def load_hf_model(path: str | Path, owner: str) -> nn.Module:
    """The model as the class that its configuration names, in eval mode and in the dtype of its weights.

    Args:
        path: Hub id or local directory.
        owner: whose model it is, as the start of an error message: ``"model 'mnist'"``.

    Raises:
        FileNotFoundError: if there is no such directory, or the Hub does not have or does not answer for that id.
    """
    import transformers

    directory = model_directory(path, owner)
    try:
        config = transformers.AutoConfig.from_pretrained(directory, local_files_only=True)
        named = (config.architectures or ["AutoModel"])[0]
        cls = getattr(transformers, named, transformers.AutoModel)
        model: nn.Module = cls.from_pretrained(directory, dtype="auto", local_files_only=True)
    except OSError as error:
        raise FileNotFoundError(f"{owner}: {directory} is no directory with an HF model: {error}") from error
    return model


def load_hf_classifier(directory: Path, owner: str) -> nn.Module:
    """The image classifier in a directory, in eval mode and in the dtype of its weights; for ``owner`` see above.

    Raises:
        FileNotFoundError: if the directory holds no HF model.
        ValueError: if the model is no image classifier, or lacks tensors of one, such as the head.
    """
    from transformers import AutoModelForImageClassification

    try:
        model, found = AutoModelForImageClassification.from_pretrained(
            directory, dtype="auto", local_files_only=True, output_loading_info=True
        )
    except OSError as error:
        raise FileNotFoundError(f"{owner}: {directory} is no directory with an HF model: {error}") from error
    if found["missing_keys"]:
        raise ValueError(
            f"{owner}: {directory} lacks {sorted(found['missing_keys'])[0]!r} of a {type(model).__name__}; is it the "
            "backbone without a head?"
        )
    classifier: nn.Module = model
    return classifier
