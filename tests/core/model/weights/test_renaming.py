from __future__ import annotations

import pytest
import torch

from gvseg_core.errors import ModelError
from gvseg_core.model.weights.renaming import rename, rename_back, some, table

RULES = table(
    """
    res{s+1}.{b}.norm.{bn}     layer{s}.{b}.bn.{bn}
    attn.{query|key|value}.{wb}  attn.qkv.{wb}
    old.weight                 new.weight
    newer.weight               new.weight
    """,
    theirs="net.",
    ours="ours.",
)


def test_numbers_move_by_what_the_table_says() -> None:
    renamed = rename({"net.res3.12.norm.running_var": torch.ones(2)}, RULES, "f")
    assert list(renamed.state) == ["ours.layer2.12.bn.running_var"]


def test_parts_are_joined_in_the_order_of_the_table_not_of_the_file() -> None:
    parts = {f"net.attn.{n}.weight": torch.full((1, 2), float(i)) for i, n in enumerate(("value", "query", "key"))}
    assert rename(parts, RULES, "f").state["ours.attn.qkv.weight"][:, 0].tolist() == [1.0, 2.0, 0.0]


def test_a_part_without_its_siblings_is_unknown() -> None:
    assert rename({"net.attn.key.bias": torch.ones(2)}, RULES, "f").unknown == ("net.attn.key.bias",)


def test_parts_that_cannot_be_joined_are_unknown() -> None:
    parts = {f"net.attn.{n}.weight": torch.ones(2, i) for i, n in enumerate(("query", "key", "value"))}
    assert set(rename(parts, RULES, "f").unknown) == set(parts)


@pytest.mark.parametrize("name", ["net.res3.12.norm.num_batches_tracked", "net.resX.1.norm.weight", "res3.1.norm.bias"])
def test_a_name_that_no_row_means_is_unknown(name: str) -> None:
    assert rename({name: torch.ones(1)}, RULES, "f").unknown == (name,)


def test_two_tensors_for_one_place_are_refused() -> None:
    with pytest.raises(ModelError, match=r"f: 'net.old.weight' and 'net.newer.weight' are both 'ours.new.weight'"):
        rename({"net.old.weight": torch.ones(1), "net.newer.weight": torch.ones(1)}, RULES, "f")


def test_long_lists_are_cut_and_counted() -> None:
    assert some("gfedcba") == "a, b, c, d, e and 2 more"
    assert some("ba") == "a, b"


def test_names_go_back_to_where_they_came_from() -> None:
    theirs = {"net.res3.12.norm.bias": torch.ones(2), "net.old.weight": torch.zeros(3)}
    theirs |= {f"net.attn.{n}.bias": torch.full((2,), float(i)) for i, n in enumerate(("query", "key", "value"))}
    back = rename_back(rename(theirs, RULES, "f").state, RULES, "f")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs.items())


def test_a_tensor_without_a_way_back_is_named() -> None:
    with pytest.raises(ModelError, match=r"f: 1 tensors have no place there: ours\.strange"):
        rename_back({"ours.strange": torch.ones(1)}, RULES, "f")
