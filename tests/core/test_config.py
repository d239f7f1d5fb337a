"""Settings: strict, explained, and the same after a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest

from gvseg_core.config import BACKBONES, ModelSettings, load_yaml, parse
from gvseg_core.errors import UsageError
from gvseg_core.recipes import load_preset, presets


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads_and_survives_a_round_trip(name: str) -> None:
    preset = load_preset(name)
    assert type(preset).model_validate_json(preset.model_dump_json()) == preset


def test_the_presets_of_the_checkout_are_found() -> None:
    assert {"gvseg_r50", "minvis_r50", "tiny"} <= presets().keys()


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_may_be_given_by_its_name(name: str) -> None:
    assert parse(ModelSettings, {"backbone": name}, "here").backbone == BACKBONES[name]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clip_lengh": 3}, "clip_lengh: no such setting; did you mean 'clip_length'?"),
        ({"decoder": {"dim": "1e-4"}}, "decoder.dim: .*found '1e-4'"),
        ({"clip_length": 0}, "clip_length: .*greater than 0, found 0"),
        ({"backbone": "resnet5"}, "unknown backbone 'resnet5'; did you mean 'resnet50'?"),
        ({"backbone": {"kind": "resnet", "depthz": 1}}, "backbone.depthz: no such setting; did you mean 'depths'?"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        parse(ModelSettings, values, "preset.yaml")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"clip_length.*queriez|queriez.*clip_length"):
        parse(ModelSettings, {"clip_length": -1, "queriez": {}}, "preset.yaml")


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "- 1\n", "a: [1\n", "a: !!python/object:os.system {}\n"])
def test_yaml_that_is_not_a_plain_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"x\.yaml"):
        load_yaml(path)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'minvis_r50'"):
        load_preset("minvis_r5")
