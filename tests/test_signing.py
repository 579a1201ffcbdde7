"""Signed URLs: nothing of one can be changed, and keys can be exchanged while it is good."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from server.refusals import SignatureExpired, SignatureWrong
from server.signing import Signer, load_keys, signing_file

OLD, NEW = "old-" + "k" * 40, "new-" + "k" * 40
SIGNER = Signer([NEW, OLD])
NOW = 1_700_000_000
PATH = "/image/abc/large"
# Of the key k…k, made from the documented form by other means.
KEY_ID = "58548d4e"
SIGNATURE = "fa9az2TMQ96lCflsvRdsntxHkhFcEujBH3m3X-cybKg"

words = st.text(max_size=20)
params = st.dictionaries(
    words.filter(lambda name: name not in {"expires", "keyId", "signature"}), words, max_size=4
)


@given(params=params, method=st.sampled_from(["GET", "PUT"]))
def test_what_was_signed_is_accepted_until_its_time(params: dict[str, str], method: str) -> None:
    signed = SIGNER.sign(method, PATH, params, NOW + 10)

    SIGNER.check(method, PATH, signed, NOW + 9.9)
    with pytest.raises(SignatureExpired):
        SIGNER.check(method, PATH, signed, NOW + 10)


@given(data=st.data(), params=params)
def test_any_changed_letter_is_seen(data: st.DataObject, params: dict[str, str]) -> None:
    signed = SIGNER.sign("GET", PATH, params, NOW + 10)
    name = data.draw(st.sampled_from(sorted(signed)))
    value = signed[name]
    at = data.draw(st.integers(0, len(value)))
    letter = data.draw(st.characters())
    changed = data.draw(
        st.sampled_from([value[:at] + letter + value[at:], value[:at] + letter + value[at + 1 :]])
    )
    if changed == value:
        return

    with pytest.raises(SignatureWrong):
        SIGNER.check("GET", PATH, signed | {name: changed}, NOW)


@given(data=st.data(), params=params)
def test_any_change_of_method_path_or_names_is_seen(
    data: st.DataObject, params: dict[str, str]
) -> None:
    signed = SIGNER.sign("GET", PATH, params, NOW + 10)
    missing = data.draw(st.sampled_from(sorted(signed)))
    less = {name: value for name, value in signed.items() if name != missing}
    more = signed | {data.draw(words.filter(lambda name: name not in signed)): "x"}
    moved = PATH[: data.draw(st.integers(0, len(PATH) - 1))]

    for method, path, given_params in [
        ("PUT", PATH, signed),
        ("get", PATH, signed),
        ("GET", moved, signed),
        ("GET", f"{PATH}/", signed),
        ("GET", PATH, less),
        ("GET", PATH, more),
    ]:
        with pytest.raises(SignatureWrong):
            SIGNER.check(method, path, given_params, NOW)


def test_names_and_values_cannot_be_moved_into_each_other() -> None:
    signed = SIGNER.sign("GET", PATH, {"a": "1&b=2"}, NOW + 10)
    split = {name: value for name, value in signed.items() if name != "a"} | {"a": "1", "b": "2"}

    with pytest.raises(SignatureWrong):
        SIGNER.check("GET", PATH, split, NOW)


def test_an_address_without_an_end_is_good_only_where_it_may_last() -> None:
    endless, ending = (SIGNER.sign("GET", PATH, {}, until) for until in (None, NOW + 10))

    SIGNER.check("GET", PATH, endless, NOW, may_last=True)
    with pytest.raises(SignatureWrong, match="without a time"):
        SIGNER.check("GET", PATH, endless, NOW)
    SIGNER.check("GET", PATH, ending, NOW, may_last=True)
    with pytest.raises(SignatureExpired):
        SIGNER.check("GET", PATH, ending, NOW + 10, may_last=True)


@pytest.mark.parametrize(
    "expires", ["", "soon", "-1", "1.5", "\N{ARABIC-INDIC DIGIT TWO}" * 10, "1" * 13]
)
@pytest.mark.parametrize("may_last", [False, True])
def test_a_time_that_is_none_is_wrong_though_it_is_signed(expires: str, may_last: bool) -> None:
    signed = SIGNER.sign("GET", PATH, {"expires": expires}, None)

    with pytest.raises(SignatureWrong):
        SIGNER.check("GET", PATH, signed, NOW, may_last=may_last)


@pytest.mark.parametrize("name", ["expires", "keyId", "signature", "a"])
def test_a_parameter_given_twice_is_wrong(name: str) -> None:
    signed = MultiDict(SIGNER.sign("GET", PATH, {"a": "1"}, NOW + 10))
    signed.add(name, signed[name])

    with pytest.raises(SignatureWrong):
        SIGNER.check("GET", PATH, signed, NOW)


def test_a_url_that_may_be_read_may_be_asked_for_its_head() -> None:
    SIGNER.check("HEAD", PATH, SIGNER.sign("GET", PATH, {}, NOW + 10), NOW)


def test_a_wrong_signature_tells_nothing_of_its_time() -> None:
    signed = SIGNER.sign("GET", PATH, {}, NOW - 10)

    with pytest.raises(SignatureWrong):
        SIGNER.check("GET", PATH, signed | {"signature": "A" * 43}, NOW)


def test_keys_can_be_exchanged_while_urls_are_good() -> None:
    before, during, after = Signer([OLD]), Signer([NEW, OLD]), Signer([NEW])
    signed = before.sign("GET", PATH, {}, NOW + 10)

    during.check("GET", PATH, signed, NOW)
    with pytest.raises(SignatureWrong):
        after.check("GET", PATH, signed, NOW)
    after.check("GET", PATH, during.sign("GET", PATH, {}, NOW + 10), NOW)
    with pytest.raises(SignatureWrong):
        before.check("GET", PATH, during.sign("GET", PATH, {}, NOW + 10), NOW)


def test_the_form_stays_as_documented() -> None:
    """Others may make signatures by the docs, so the form is a promise."""
    signed = Signer(["k" * 32]).sign("GET", "/image/abc", {"b": "ü /", "a": "1"}, 1_800_000_000)

    assert signed == {
        "b": "ü /",
        "a": "1",
        "expires": "1800000000",
        "keyId": KEY_ID,
        "signature": SIGNATURE,
    }


def test_keys_are_made_once_and_for_us_alone(tmp_path: Path) -> None:
    file = signing_file(tmp_path)
    made = load_keys([], file)

    assert load_keys([], file) == made
    assert len(made) == 1 and len(made[0]) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_two_services_that_start_together_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: load_keys([], signing_file(tmp_path)), range(64)))

    assert len(set(made)) == 1


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    file = signing_file(tmp_path)
    load_keys([], file)
    file.chmod(0o640)

    with pytest.raises(PermissionError, match="chmod 600"):
        load_keys([], file)


def test_configured_keys_need_no_file(tmp_path: Path) -> None:
    assert load_keys([NEW, OLD], signing_file(tmp_path)) == (NEW, OLD)
    assert [*tmp_path.iterdir()] == []
