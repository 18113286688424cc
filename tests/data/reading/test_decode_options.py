import pytest

from goodfit.data.kinds import kind
from goodfit.data.options import ArrayOptions, Clips, Images, Options, Sounds
from goodfit.data.reading.decode_options import DecodeOptions, check_for_arrays
from goodfit.errors import InputError


def test_one_record_chooses_its_kind() -> None:
    options = DecodeOptions.of(Images(size=4))
    assert options.kind is kind("image")
    assert options.record(kind("image")) == Images(size=4)


def test_without_a_record_of_a_kind_the_defaults_are_used() -> None:
    assert DecodeOptions.of(None).kind is None
    assert DecodeOptions.of(None).record(kind("image")) == Images()
    shared = DecodeOptions.of(Options(damaged="skip"))
    assert (shared.kind, shared.damaged) == (None, "skip")
    assert shared.record(kind("image")) == Images(damaged="skip")


def test_of_several_records_that_of_the_kind_is_used() -> None:
    options = DecodeOptions.of([Images(size=4), Clips(size=4)])
    assert options.kind is None
    assert options.record(kind("video")) == Clips(size=4)
    with pytest.raises(InputError, match="load: this is sound data; size is for images and clips; leave it out"):
        options.record(kind("sound"))


def test_a_record_of_no_kind_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"options must be those of a kind of data, got ArrayOptions\(whiten=0.1\); use"
    ):
        DecodeOptions.of(ArrayOptions(whiten=0.1))


def test_options_that_say_how_files_are_read() -> None:
    check_for_arrays(kind("sound"), Sounds(rate=8000, whiten=0.1))
    with pytest.raises(InputError, match="load: mono and seconds are for files of sounds, and this is an array"):
        check_for_arrays(kind("sound"), Sounds(seconds=1, mono=False))
