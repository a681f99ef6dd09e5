"""Parts of the work add up, operations are counted as they are, and a table says so."""

import threading

import pytest
import torch
from torch import nn

from himmel.training import utilisation
from himmel.training.utilisation import NEW_SHAPE, Meter, Report, Row, counted, flops_of, matrix_rate, part

CPU = torch.device("cpu")


class Scripted(Meter):
    """A clock that stands still between ticks, and, as a card's, may lag behind."""

    now, lag = 0.0, False

    def mark(self):
        return self.now

    def between(self, begun, ended):
        return None if self.lag else ended - begun


def tick(meter, seconds):
    meter.now += seconds


def test_time_within_a_part_is_not_counted_twice():
    meter = Scripted(CPU)
    with meter.running(), part("training"):
        tick(meter, 2)
        with part("rendering"):
            tick(meter, 3)
        tick(meter, 1)
    assert meter.rows["training"].seconds == 3
    assert meter.rows["rendering"].seconds == 3


def test_what_the_device_has_not_reached_is_added_later():
    meter = Scripted(CPU)
    meter.lag = True
    with meter.running(), part("training"):
        tick(meter, 2)
    assert "training" not in meter.rows
    meter.lag = False
    assert meter.report().rows["training"].seconds == 2


def test_work_on_another_thread_stands_beside():
    meter = Scripted(CPU)

    def work():
        with part("rendering"):
            tick(meter, 1)

    with meter.running(), part("training"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert meter.rows["rendering"].beside
    assert meter.rows["training"].seconds == 1, "whoever waits, waits"
    assert "rendering (beside)" in meter.report().table()


def test_without_a_meter_nothing_happens():
    with part("training"):
        counted("shape", 3, lambda: pytest.fail("nobody asked"))
    assert utilisation._meter is None


def test_a_linear_layer_counts_six_operations_a_weight_and_example():
    layer = nn.Linear(16, 32, bias=False)
    x = torch.randn(5, 16)
    assert flops_of(lambda: layer(x.clone().requires_grad_())) == 6 * 16 * 32 * 5
    with torch.no_grad():
        assert flops_of(lambda: layer(x)) == 2 * 16 * 32 * 5


def test_counting_is_the_same_as_torchs_own_for_a_convolution_with_its_way_back():
    from torch.utils.flop_counter import FlopCounterMode

    layer, x = nn.Conv2d(3, 8, 3, padding=1), torch.randn(2, 3, 9, 9)
    with FlopCounterMode(display=False) as theirs:
        layer(x).sum().backward()
    assert flops_of(lambda: layer(x)) == theirs.get_total_flops()


def test_counting_leaves_gradients_and_random_numbers_as_they_were():
    layer = nn.Linear(4, 4)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    flops_of(lambda: layer(torch.rand(1, 4)))
    assert torch.rand(1) == expected
    assert layer.weight.grad is None


def test_a_shape_is_counted_once_and_every_example_of_it():
    asked = []
    layer = nn.Linear(4, 4, bias=False)

    def one():
        asked.append(1)
        return layer(torch.rand(1, 4))

    meter = Meter(CPU)
    with meter.running():
        for _ in range(3):
            with part("training"):
                counted((4,), 10, one)
    assert len(asked) == 1
    flops = {name: row.flops for name, row in meter.rows.items() if row.flops}
    each = 10 * flops_of(one)
    assert flops == {NEW_SHAPE: each, "training": 2 * each}, "the first time, which compiles, stands by itself"


def test_utilisation_is_what_was_computed_by_what_the_device_could_have():
    report = Report({"training": Row(8.0, 3e12), "waiting": Row(2.0)}, 10.0, 1e12)
    assert report.utilisation == pytest.approx(0.3)
    table = report.table()
    assert "| training | 8.0 | 80% | 3.00 | 37.5% |" in table
    assert "30.0% of 1.00 TFLOP/s" in table
    assert report.figures()["spent"] == {"training": 8.0, "waiting": 2.0}


def test_this_device_multiplies_at_some_rate():
    assert matrix_rate(CPU) > 1e8
