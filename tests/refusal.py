"""What every test of a user's mistake asks: one sentence, and these words in it."""

import pytest

from whalelib.errors import InputError


def refused(call, *words):
    """The call raises an InputError of one line that holds these words; gives the line."""
    with pytest.raises(InputError) as error:
        call()
    says = str(error.value)
    assert "\n" not in says
    assert says.endswith((".", "?"))  # a question, where it asks what was meant
    for word in words:
        assert word in says
    return says
