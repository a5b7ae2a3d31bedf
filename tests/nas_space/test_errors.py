"""The one exception for a mistake of the user."""

from nas_space.errors import InputError


def test_it_is_a_value_error_whose_text_is_the_message() -> None:
    assert issubclass(InputError, ValueError)
    assert str(InputError("space.step: 0 must be at least 1")) == "space.step: 0 must be at least 1"
