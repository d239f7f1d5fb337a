"""JSON files are read as they are, or refused with the place of what is wrong."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gvseg_core.data import json_files, json_reader
from gvseg_core.data.json_files import iterate, read_json, read_record
from gvseg_core.errors import DataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.lists(st.dictionaries(st.text(max_size=3), values, max_size=3), max_size=5)
any_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

FAULTS = {
    "": "is empty",
    " \n": "is empty",
    '[{"a": 1}, {"b"': "line 1, column 16: ends in the middle; is the download complete?",
    '[{"a": "b': "line 1, column 10: ends in the middle",
    '[\n{"a": 1},\n{"a": nul}]': "line 3, column 7: not JSON: expecting value",
    "[{'a': 1}]": "line 1, column 3: not JSON: expecting property name",
    '[{"a": 1},]': "line 1, column 11: not JSON",
    '[{"a": 1}] {}': "line 1, column 12: something follows the end",
    '[{"a": 1} {"a": 2}]': "line 1, column 11",
    '[{"a": NaN}]': "line 1, column 8: NaN is not a number of JSON",
    '[{"a": [0, -Infinity]}]': "line 1, column 12: -Infinity is not a number of JSON",
    '[{"a": 1e999}]': "line 1, column 8: a number beyond what a computer holds",
    f'[{{"a": {"1" * 5000}}}]': "line 1, column 8: a number beyond what a computer holds",
    "[" * 200_000: "brackets nested too deeply",
    '[{"a": ' + '{"a":' * 200_000: "brackets nested too deeply",
    '[{"a": 1,\n "b": {"c": 1, "c": 2}}]': "line 2, column 16: the key 'c' stands at line 2, column 8 as well",
    '[{"a": 1, "\\u0061": 2}]': "line 1, column 11: the key 'a' stands at line 1, column 3 as well",
    '[{"a": "\\ud800"}]': "line 1, column 8: half a surrogate pair",
    '[{"a": "x\\\\\\udC00"}]': "line 1, column 8: half a surrogate pair",
    '[{"a": "\t"}]': "line 1, column 9: not JSON: invalid control character",
    "<html><body>Sign in</body></html>": "is a web page or XML, not JSON",
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n": "is a Git LFS pointer",
}


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "x.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def walk(path: Path, *keys: str) -> list[tuple[str, Any]]:
    return [(key, record.value) for key, record in iterate(path, keys)]


@pytest.fixture(params=[5, 2**20], ids=["window of 5 bytes", "window of 1 MiB"])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "_CHUNK", request.param)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize("content", FAULTS, ids=lambda content: ascii(content[:24]))
def test_what_is_wrong_is_said_with_its_place(content: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    for read in (read_json, walk):
        with pytest.raises(DataError) as caught:
            read(path)
        assert FAULTS[content] in str(caught.value)
        assert "x.json" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("\ufeff[]".encode(), "starts with a byte-order mark; save it as UTF-8 without one"),
        ("[]".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b'[{"a":\n "\xff"}]', "line 2, column 3: not UTF-8 (byte 9)"),
        ('[{"a": "é'.encode()[:-1], "not UTF-8"),
        (b"PK\x03\x04", "is a ZIP archive"),
        (b"\x1f\x8b\x08", "is compressed (gzip)"),
        (b"\x80\x04.", "is a pickle"),
    ],
)
@pytest.mark.usefixtures("window")
def test_what_is_no_utf8_text_is_told_apart(content: bytes, fault: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    for read in (read_json, walk):
        with pytest.raises(DataError) as caught:
            read(path)
        assert fault in str(caught.value)


def test_a_path_that_is_no_file_is_told_apart(tmp_path: Path) -> None:
    for read in (read_json, walk):
        with pytest.raises(DataError, match="there is no such file"):
            read(tmp_path / "none.json")
        with pytest.raises(DataError, match="is a folder; a JSON file is wanted"):
            read(tmp_path)


@any_folder
@given(content=values, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_what_python_wrote_is_read_back(tmp_path: Path, content: Any, indent: int | None, ascii_only: bool) -> None:
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return
    if b"\\ud" not in text:
        assert read_json(written(tmp_path, text)) == content


@any_folder
@given(one=objects, other=objects, between=values, chunk=st.integers(1, 9), indent=st.sampled_from([None, 1]))
def test_elements_come_one_by_one_whatever_the_window(
    tmp_path: Path, one: list[Any], other: list[Any], between: Any, chunk: int, indent: int | None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "_CHUNK", chunk)
        listed = written(tmp_path, json.dumps(one, indent=indent))
        assert walk(listed) == [("", record) for record in one]
        assert walk(listed, "a") == [("", record) for record in one]
        path = written(tmp_path, json.dumps({"a": one, "b": between, "c": other, "d": other, "e": None}, indent=indent))
        assert walk(path, "c", "a", "e") == [*(("a", record) for record in one), *(("c", record) for record in other)]


@pytest.mark.parametrize("number", ["0.5", "-0.0", "12.25", "1e9", "1e+22", "1.5E-7", "100"])
def test_a_number_is_read_whole_wherever_the_window_ends(tmp_path: Path, number: str) -> None:
    for chunk in range(1, 16):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_reader, "_CHUNK", chunk)
            path = written(tmp_path, f'{{"n": {number}, "a": [{{"m": {number}}}]}}')
            assert walk(path, "a") == [("a", {"m": float(number)})]


def test_records_know_where_they_stand(tmp_path: Path) -> None:
    path = written(tmp_path, '{"videos": [{}, {"a": 1}]}')
    assert [record.where for _, record in iterate(path, {"videos"})] == [f"{path}: videos[0]", f"{path}: videos[1]"]
    assert [record.where for _, record in iterate(written(tmp_path, "[{}]"))] == [f"{path}: [0]"]
    assert read_record(written(tmp_path, '{"a": 1}')).where == str(path)


@pytest.mark.parametrize(
    ("content", "keys", "fault"),
    [
        ('{"a": 3}', {"a"}, "a: wanted a list, found the number 3"),
        ('{"a": [{}, 3]}', {"a"}, r"a\[1\]: wanted an object, found the number 3"),
        ("{}", set(), "wanted a list, found an object"),
        ("3", {"a"}, "wanted an object or a list, found the number 3"),
        ('{"a": [], "b": 1, "a": []}', {"a"}, "line 1, column 19: the key 'a' stands at line 1, column 2 as well"),
        ('{"a": [] "b"', {"a"}, "line 1, column 10: wanted ',' or '}', found '\"'"),
        ("{3: 4}", {"a"}, "line 1, column 2: wanted '\"', found '3'"),
        ('{"b": [{"c": NaN}]}', {"a"}, "line 1, column 14: NaN"),
    ],
)
@pytest.mark.usefixtures("window")
def test_a_file_of_another_form_is_refused(content: str, keys: set[str], fault: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=fault):
        walk(written(tmp_path, content), *keys)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "_CHUNK", 2**14)

    def peak(num: int) -> int:
        element = json.dumps({"counts": "x" * 2000})
        path = written(tmp_path, "[" + ",".join([element] * num) + "]")
        gc.collect()
        tracemalloc.start()
        assert sum(1 for _ in iterate(path)) == num
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(2000) < 1.2 * peak(200) < 2**19


def test_an_element_without_end_is_not_read_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "_CHUNK", 2**10)
    monkeypatch.setattr(json_reader, "_MAX_ELEMENT", 2**14)
    with pytest.raises(DataError, match="line 1, column 2: one value of more than 16384 characters"):
        walk(written(tmp_path, '["' + "x" * 2**16))


def test_a_file_that_memory_cannot_hold_is_refused_with_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "[]")
    monkeypatch.setattr(json_files, "_BYTES_PER_BYTE", 2**50)
    with pytest.raises(DataError, match=r"it takes about \d+ GiB of memory; this machine has \d+"):
        read_json(path)
    assert walk(path) == []
