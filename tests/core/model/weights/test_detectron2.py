"""detectron2 files: the parity weights, older and longer spellings, and the settings beside them."""

from __future__ import annotations

import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gvseg_core.errors import ModelError
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.model.weights.containers import read_container
from gvseg_core.model.weights.detectron2_config import find_config
from tests.conftest import shared
from tests.core.model.weights.foreign import same


def copy_of(folder: Path, **changes: str) -> Path:
    """The settings of a parity folder without its weights, with lines changed by pattern."""
    text = (shared("parity", "d2_tiny_resnet") / "config.yaml").read_text()
    for old, new in changes.items():
        text, count = re.subn(rf"\b{old}: .*", f"{old}: {new}", text)
        assert count, old
    (folder / "config.yaml").write_text(text)
    return folder


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return read_container(shared("parity", "d2_tiny_resnet", "model_final.pkl")).tensors


def saved(folder: Path, tensors: dict[str, Tensor], **extras: Any) -> Path:
    path = folder / "model_0001.pth"
    torch.save({"model": tensors, **extras}, path)
    return path


@pytest.mark.parametrize("kind", ["tiny", "tiny_resnet"])
def test_the_same_weights_are_the_same_from_detectron2_and_from_hugging_face(kind: str) -> None:
    one = read_checkpoint(shared("parity", f"d2_{kind}", "model_final.pkl"))
    other = read_checkpoint(shared("parity", f"hf_{kind}"))
    assert same(one.state, other.state)
    assert one.settings == other.settings
    assert one.sha256 == other.sha256
    assert one.notes == other.notes == ()


def test_the_video_model_is_the_same_from_both_its_files() -> None:
    one = read_checkpoint(shared("parity", "video_tiny", "model_final.pkl"))
    other = read_checkpoint(shared("parity", "video_tiny", "model.safetensors"))
    assert same(one.state, other.state)
    assert one.settings.clip_length == 2
    assert one.tasks == ("vis",)
    assert one.settings.pixel_decoder.feedforward == 1024


def test_a_training_run_in_either_torch_format_reads_like_the_published_file(
    tmp_path: Path, tensors: dict[str, Tensor]
) -> None:
    wanted = read_checkpoint(shared("parity", "d2_tiny_resnet", "model_final.pkl")).state
    path = saved(copy_of(tmp_path), tensors, optimizer={"state": {0: {"step": 3}}}, iteration=7)
    assert same(read_checkpoint(path).state, wanted)
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(path).state, wanted)


def test_names_of_version_1_are_understood(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    old = {
        name.replace("head.pixel_decoder.", "head.").replace("query_feat", "static_query"): tensor
        for name, tensor in tensors.items()
    }
    assert not any("pixel_decoder" in name or "query_feat" in name for name in old)
    wanted = read_checkpoint(shared("parity", "d2_tiny_resnet", "model_final.pkl")).state
    assert same(read_checkpoint(saved(copy_of(tmp_path), old)).state, wanted)


def test_trackers_and_refiners_are_left_out_by_name(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    extra = {
        "tracker.layers.0.weight": torch.ones(2),
        "tracker.layers.1.weight": torch.ones(2),
        "refiner.norm.bias": torch.ones(2),
        "sem_seg_head.predictor.reid_embed.layers.0.weight": torch.ones(2),
    }
    checkpoint = read_checkpoint(saved(copy_of(tmp_path), tensors | extra))
    assert same(checkpoint.state, read_checkpoint(shared("parity", "hf_tiny_resnet")).state)
    notes = " · ".join(checkpoint.notes)
    assert "the tracker (DVIS): 2 tensors (tracker.layers.0.weight, tracker.layers.1.weight)" in notes
    assert "the temporal refiner (DVIS): 1 tensors" in notes
    assert "re-identification head" in notes


def test_what_belongs_to_nothing_is_refused_or_on_request_named(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = saved(copy_of(tmp_path), tensors | {f"backbone.adapter.{i}": torch.ones(2) for i in range(6)})
    with pytest.raises(
        ModelError, match=r"6 tensors that detectron2 weights do not have: backbone\.adapter\.0.*and 1 m"
    ):
        read_checkpoint(path)
    assert "backbone.adapter.0" in read_checkpoint(path, allow_partial=True).notes[0]


def test_a_missing_and_a_misshapen_tensor_are_named(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    name = "sem_seg_head.predictor.decoder_norm.weight"
    bent = {**tensors, name: tensors[name][:-1]}
    del bent["sem_seg_head.predictor.mask_embed.layers.1.bias"]
    path = saved(copy_of(tmp_path), bent)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert "1 missing: decoder.mask_embed.1.bias" in message
    assert "1 of another shape: decoder.norm.weight is (63,), wanted (64,)" in message
    assert "the file looks like resnet, 4 decoder layers, 9 queries, 5 classes" in message
    partial = read_checkpoint(path, allow_partial=True)
    assert len(partial.state) == 253 - 2
    assert len(partial.notes) == 2


def test_a_tensor_with_nan_is_named(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    tensors["sem_seg_head.predictor.query_feat.weight"][3, 3] = float("nan")
    with pytest.raises(ModelError, match=r"queries\.learned\.content holds NaN"):
        read_checkpoint(saved(copy_of(tmp_path), tensors))


def test_unusual_sizes_need_the_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "model_final.pkl"
    shutil.copy(shared("parity", "d2_tiny", "model_final.pkl"), path)
    with pytest.raises(ModelError, match=r"put the model's config\.yaml beside"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DEC_LAYERS": "10"}, r"decoder\.num_layers is 4 in the weights and 9 in config\.yaml"),
        ({"HIDDEN_DIM": "256"}, r"decoder\.dim is 64 in the weights and 256"),
        ({"NUM_OBJECT_QUERIES": "100"}, r"queries\.num_queries is 9"),
        ({"PRE_NORM": "True"}, r"PRE_NORM is True; gvseg runs models with False only"),
        ({"STRIDE_IN_1X1": "True"}, r"STRIDE_IN_1X1 is True"),
        ({"NHEADS": "7"}, r"7 attention heads do not divide"),
    ],
)
def test_settings_that_do_not_go_with_the_weights_are_named(
    tmp_path: Path, tensors: dict[str, Tensor], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_checkpoint(saved(copy_of(tmp_path, **changes), tensors))


def config(folder: Path, text: str) -> Any:
    (folder / "config.yaml").write_text(text)
    return find_config(folder / "model.pth")


def test_bases_are_followed_and_overridden(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "MODEL: {MASK_FORMER: {NHEADS: 4, DEC_LAYERS: 10}}\nINPUT: {MIN_SIZE_TEST: 360}"
    )
    found = config(tmp_path, "_BASE_: base.yaml\nMODEL: {MASK_FORMER: {NHEADS: 2}}\nDATASETS: {TEST: [ovis_val]}")
    assert found.num_heads == 2
    assert found.claims() == {"decoder.num_layers": 9}
    assert found.input_settings().short_side == 360
    assert found.datasets == ("ovis_val",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_BASE_: gone.yaml", r"needs 'gone\.yaml', which is not there"),
        ("_BASE_: config.yaml", "nested more than 8 deep"),
        ("_BASE_: /etc/passwd", "which is not there"),
        ("- a list", "wanted a table of settings"),
        ("a: [", "expected the node content"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        config(tmp_path, text)


def test_tags_are_never_executed(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    found = config(
        tmp_path,
        f"evil: !!python/object/apply:os.system ['touch {flag}']\n"
        f"worse: !!python/object/new:subprocess.Popen [['touch', '{flag}']]\n"
        "INPUT: {MIN_SIZE_TEST: !!python/tuple [480, 600]}\n",
    )
    assert not flag.exists()
    assert found.input_settings().short_side == 480
    assert found.get("evil") == [f"touch {flag}"]


@pytest.mark.parametrize(
    ("decoder", "length"),
    [
        ("VideoMultiScaleMaskedTransformerDecoder", 3),
        ("VideoMultiScaleMaskedTransformerDecoder_frame", 1),
        ("VideoMultiScaleMaskedTransformerDecoder_minvis", 1),
        ("MultiScaleMaskedTransformerDecoder", 1),
    ],
)
def test_only_the_clip_decoder_sees_more_than_one_frame(tmp_path: Path, decoder: str, length: int) -> None:
    text = f"MODEL: {{MASK_FORMER: {{TRANSFORMER_DECODER_NAME: {decoder}}}}}\nINPUT: {{SAMPLING_FRAME_NUM: 3}}"
    assert config(tmp_path, text).clip_length == length


@pytest.mark.parametrize(
    ("test", "tasks"),
    [
        ("{INSTANCE_ON: true}", ("vis",)),
        ("{SEMANTIC_ON: true, INSTANCE_ON: false}", ("vss",)),
        ("{PANOPTIC_ON: true, INSTANCE_ON: true, SEMANTIC_ON: true}", ("vis", "vss", "vps")),
        ("{TASK: vss, INSTANCE_ON: true}", ("vss",)),
        ("{}", ()),
    ],
)
def test_tasks_are_what_the_test_settings_switch_on(tmp_path: Path, test: str, tasks: tuple[str, ...]) -> None:
    assert config(tmp_path, f"MODEL: {{MASK_FORMER: {{TEST: {test}}}}}").tasks == tasks


def test_a_pickle_under_another_name_reads_the_same(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = copy_of(tmp_path) / "weights.bin"
    path.write_bytes(pickle.dumps({"model": {name: t.numpy() for name, t in tensors.items()}}))
    assert same(read_checkpoint(path).state, read_checkpoint(shared("parity", "hf_tiny_resnet")).state)
