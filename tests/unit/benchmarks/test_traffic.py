import torch
from measure.traffic import Traffic

FLOAT = 4


def bytes_of(work):
    with Traffic() as traffic:
        work()
    return traffic.bytes


def test_an_operator_reads_its_inputs_and_writes_its_result():
    a, b = torch.ones(100, 50), torch.ones(50, 20)
    assert bytes_of(lambda: a @ b) == FLOAT * (100 * 50 + 50 * 20 + 100 * 20)


def test_a_view_moves_nothing():
    a = torch.ones(10, 20)
    assert bytes_of(lambda: a.t()[3:].unsqueeze(0)) == 0


def test_an_operator_in_place_reads_and_writes():
    a = torch.ones(10)
    assert bytes_of(lambda: a.add_(1)) == FLOAT * 2 * 10


def test_a_lookup_reads_rows_not_the_table():
    table, ids = torch.ones(1000, 16), torch.arange(5)
    moved = bytes_of(lambda: torch.nn.functional.embedding(ids, table))
    assert moved == 8 * 5 + FLOAT * 2 * 5 * 16


def test_a_fused_optimiser_touches_weights_gradients_and_moments():
    weight = torch.nn.Parameter(torch.ones(1000))
    optimizer = torch.optim.Adam([weight], fused=True)
    weight.grad = torch.ones(1000)
    optimizer.step()  # makes the moments
    moved = bytes_of(optimizer.step)
    assert 2 * FLOAT * 3000 <= moved <= 2 * FLOAT * 4000 + 100
