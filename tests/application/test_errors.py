"""The errors that the command line reports."""

import pytest

from zaremba_port.errors import RunFailed, UserError, check_choice


def test_exit_codes():
    assert UserError("x").exit_code == 2
    assert isinstance(RunFailed("x"), UserError)
    assert RunFailed("x").exit_code == 1


def test_a_choice_that_there_is_not_is_named_with_the_nearest():
    check_choice("diagram", "cell", ["cell", "gru"])
    with pytest.raises(UserError) as error:
        check_choice("diagram", "cel", ["cell", "gru"])
    assert str(error.value) == (
        "no diagram is called 'cel'; did you mean 'cell'? (there are cell, gru)"
    )
    with pytest.raises(UserError) as error:
        check_choice("diagram", "xyz", ["cell", "gru"])
    assert str(error.value) == "no diagram is called 'xyz' (there are cell, gru)"
