"""Keys and seals: nothing opens in another place, under another key, or after a change."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsbank.people.master import (
    MasterKeyError,
    MasterKeys,
    generate,
    master_keys,
    parse,
    read_file,
    write_file,
)
from pointsbank.people.sealing import (
    INDEX_KINDS,
    BlindIndexes,
    Mac,
    SealBroken,
    associated_data,
    derive,
    new_key,
    seal,
    unseal,
    unwrap,
    wrap,
)
from pointsbank.settings import Settings, settings_from

ABOUT = ("value", "1", "person", "name", "key")


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.text(max_size=10), max_size=5))
def test_what_was_sealed_opens(value: bytes, about: list[str]) -> None:
    key = new_key()
    assert unseal(key, seal(key, value, about), about) == value


@pytest.mark.parametrize("place", range(len(ABOUT)))
def test_a_sealed_value_opens_nowhere_else(place: int) -> None:
    key = new_key()
    sealed = seal(key, "张小明".encode(), ABOUT)
    elsewhere = [*ABOUT]
    elsewhere[place] += "x"
    with pytest.raises(SealBroken):
        unseal(key, sealed, elsewhere)


def test_every_changed_byte_is_noticed() -> None:
    key = new_key()
    sealed = seal(key, b"13812345678", ABOUT)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            unseal(key, bytes(changed), ABOUT)
    for short in (b"", sealed[:10], sealed[:-1]):
        with pytest.raises(SealBroken):
            unseal(key, short, ABOUT)
    with pytest.raises(SealBroken):
        unseal(new_key(), sealed, ABOUT)


def test_the_same_value_never_looks_the_same() -> None:
    key = new_key()
    assert len({seal(key, b"13812345678", ABOUT) for _ in range(100)}) == 100


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_two_lists_never_read_the_same(one: list[str], other: list[str]) -> None:
    assert (associated_data(one) == associated_data(other)) == (one == other)


def test_a_wrapped_key_opens_only_under_its_master_key_and_for_its_person() -> None:
    master, other, key = generate(), generate(), new_key()
    wrapped = wrap(master, key, ("key", "1", "p"))
    assert unwrap(MasterKeys([other, master]), master.id, wrapped, ("key", "1", "p")) == key
    with pytest.raises(SealBroken):
        unwrap(MasterKeys([other, master]), other.id, wrapped, ("key", "1", "p"))
    with pytest.raises(SealBroken):
        unwrap(MasterKeys([master]), master.id, wrapped, ("key", "1", "q"))
    with pytest.raises(MasterKeyError, match=master.id):
        unwrap(MasterKeys([other]), master.id, wrapped, ("key", "1", "p"))


def test_blind_indexes_are_apart_by_kind_ledger_and_root() -> None:
    root = new_key()
    one = BlindIndexes(root, 1)
    assert one.digest("phone", "1") == BlindIndexes(root, 1).digest("phone", "1")
    digests = {one.digest(kind, "1") for kind in INDEX_KINDS}
    digests |= {BlindIndexes(root, 2).digest("phone", "1"), BlindIndexes(new_key(), 1).digest("phone", "1")}
    digests |= {one.request_digest("phone", "1"), one.digest("phone", "2")}
    assert len(digests) == len(INDEX_KINDS) + 4
    assert derive(root, "a") != derive(root, "b")


# the key file


def test_a_key_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path, keys = tmp_path / "master.key", [generate(), generate()]
    write_file(path, keys)
    assert read_file(path).all == tuple(keys)
    assert read_file(path).current == keys[0]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    write_file(path, [generate()])
    path.chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        read_file(path)


def test_a_mistyped_key_is_noticed_and_never_repeated() -> None:
    text = generate().text
    for wrong in (text[:-1], text[:-2] + "AA", "x" + text, text.replace(".", "-"), "pbm1.a.b", "words"):
        with pytest.raises(MasterKeyError) as error:
            parse(wrong, "somewhere")
        assert wrong not in str(error.value)
    with pytest.raises(MasterKeyError):
        parse("# nothing\n", "somewhere")


def test_keys_never_show_in_messages(tmp_path: Path) -> None:
    key = generate()
    secret = key.text.rpartition(".")[2]
    found = settings_from({"POINTSBANK_MASTER_KEY": key.text})
    shown = f"{key!r} {MasterKeys([key])!r} {found!r} {found}"
    assert key.id in shown
    assert secret not in shown
    assert repr(key.secret) not in shown


def test_without_a_master_key_nothing_starts_outside_the_demo(tmp_path: Path) -> None:
    demo_file = tmp_path / "var" / "demo.key"
    with pytest.raises(MasterKeyError, match="POINTSBANK_MASTER_KEY_FILE"):
        master_keys(Settings(), demo_file)
    assert not demo_file.exists()
    made = master_keys(Settings(demo=True), demo_file)
    assert master_keys(Settings(demo=True), demo_file).current == made.current
    with pytest.raises(MasterKeyError):
        master_keys(Settings(demo=True))


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    one, other = generate(), generate()
    path = tmp_path / "master.key"
    write_file(path, [one])
    assert master_keys(Settings(master_key_file=str(path))).current == one
    assert master_keys(Settings(master_key_file=str(path), master_key=other.text)).current == other
    with pytest.raises(MasterKeyError, match="generate"):
        master_keys(Settings(master_key_file=str(tmp_path / "none")))
    assert os.listdir(tmp_path) == ["master.key"]


def test_the_mac_of_requests_is_hmac_sha_256() -> None:
    for key in (b"", b"k" * 32, b"k" * 64):
        for message in (b"", b"x" * 63, b"x" * 64, b"x" * 1000):
            assert Mac(key).digest(message) == hmac.digest(key, message, "sha256")
