"""The activations that kernels know by a code are those of the model."""

import numpy as np
import pytest

from rfdiff._kernels import activations as kernels
from rfdiff.model.activations import ACTIVATIONS


@pytest.mark.parametrize("act", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_kernels_know_the_same_function_by_its_code(act):
    z = np.array([-800.0, -3.0, -1e-9, 0.0, 0.4, 7.0, 800.0])
    in_kernels = [kernels.activate(act.code, value) for value in z]
    np.testing.assert_allclose(in_kernels, act(z), rtol=1e-14, atol=1e-300)


def test_every_code_of_the_kernels_has_one_activation_of_its_name():
    assert sorted(act.code for act in ACTIVATIONS.values()) == list(kernels.CODES)
    for name, act in ACTIVATIONS.items():
        assert act.name == name and getattr(kernels, name.upper()) == act.code
