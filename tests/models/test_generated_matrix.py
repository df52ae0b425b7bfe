import pytest
import torch

from models.generated_matrix import BilinearMatrix, ValueMatrix
from models.input_parts import linear

SIZES = {"right factor": (3, 40), "left factor": (40, 3), "full": (40, 50), "small": (4, 5)}


def make_matrix(shape: tuple[int, int], dtype: torch.dtype, width: int = 6, rows: int = 9) -> BilinearMatrix:
    n_values = shape[0] * shape[1]
    random = torch.Generator().manual_seed(0)
    made = [
        torch.randn(*size, generator=random, dtype=torch.float64)
        for size in ((rows, width), (n_values, width), (n_values,))
    ]
    condition, weight, bias = (tensor.to(dtype).requires_grad_() for tensor in made)
    ones = torch.ones(rows, 1, dtype=dtype)
    return BilinearMatrix(torch.cat((condition, ones), 1), weight, bias, shape)


def product_and_gradients(times, matrix: BilinearMatrix, x: torch.Tensor) -> list[torch.Tensor]:
    product = times(x)
    leaves = [matrix.condition, matrix.weight, matrix.bias, x]
    condition, *others = torch.autograd.grad(product.square().sum() / product.numel(), leaves)
    return [product, condition[:, :-1], *others]  # the last value of the condition is a constant


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
def test_bilinear_forms_agree_with_the_generated_matrix_in_value_and_gradient(shape, dtype, tolerance):
    matrix = make_matrix(shape, dtype)
    x = torch.randn(9, shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    x.requires_grad_()
    plain = product_and_gradients(lambda rows: ValueMatrix(matrix.materialize()).times(rows), matrix, x)
    for form in (matrix.times, matrix.project_first, matrix.outer_first):
        for one, other in zip(product_and_gradients(form, matrix, x), plain, strict=True):
            assert (one - other).abs().max() <= tolerance * max(1, other.abs().max())


@pytest.mark.parametrize(
    ("shape", "largest"), [((2, 400), 2 * 7), ((400, 2), 2 * 7), ((400, 500), 400 * 7), ((500, 400), 400 * 7)]
)
def test_nothing_of_the_matrix_size_is_kept_for_the_backward_pass(shape, largest):
    matrix = make_matrix(shape, torch.float32, width=6, rows=64)
    x = torch.randn(64, shape[1], requires_grad=True)
    saved = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        matrix.times(x)
    per_sample = [tensor.numel() // 64 for tensor in saved if len(tensor) == 64]
    assert per_sample and max(per_sample) <= max(largest, shape[1])


def test_a_stored_part_of_the_input_gets_no_gradient_and_changes_no_result():
    torch.manual_seed(0)
    stored, learned = torch.randn(5, 7), torch.randn(5, 3, requires_grad=True)
    weight, bias = torch.randn(4, 10, requires_grad=True), torch.randn(4, requires_grad=True)
    results = []
    for x in ((stored, learned), torch.cat((stored, learned), 1)):
        y = linear(x, weight, bias)
        results.append([y, *torch.autograd.grad(y.square().sum(), (weight, bias, learned))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
