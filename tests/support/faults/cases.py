"""Which fault tests run in which delivery modes, how large, and which of them belong to the quick part."""

import pytest

MODES = ("at_least_once", "exactly_once")

both_modes = pytest.mark.parametrize("mode", MODES)


def sized(name: str, full: int, small: int, *quick_modes: str) -> pytest.MarkDecorator:
    """Parameters `mode` and `name`: in full for both modes, and small in the quick part for those given."""
    quick = [pytest.param(mode, small, marks=pytest.mark.quick) for mode in quick_modes]
    return pytest.mark.parametrize(("mode", name), [*quick, *((mode, full) for mode in MODES)])
