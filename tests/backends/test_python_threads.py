"""Threads of Python: many may predict with one net, and train nets of their own."""

from __future__ import annotations

TOGETHER = """
    import cnn, cnn.models, numpy as np
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8), rng.integers(0, 10, 300)
    cnn.set_num_threads(2)

    def together(n, work):
        "The results of `work(i)` for n threads that begin at the same time."
        barrier = Barrier(n)
        def begin(i):
            barrier.wait()
            return work(i)
        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(begin, range(n)))

    def trained(i):
        net = cnn.models.two_conv(seed=i)
        net.fit(x[:100 + i], y[:100 + i], epochs=2, seed=i, progress=False)
        return net
"""


def test_many_threads_predict_with_one_net_as_one_does(python):
    program = """
    net = trained(0)
    parts = [x[20 * i : 20 * i + 60 + i] for i in range(8)]
    expected = [net.predict_proba(part).tobytes() for part in parts]
    for _ in range(3):
        assert together(8, lambda i: net.predict_proba(parts[i]).tobytes()) == expected
    evaluation = net.evaluate(x, y)
    assert together(8, lambda i: net.evaluate(x, y)) == [evaluation] * 8
    """
    python(TOGETHER, program)


def test_different_nets_train_at_the_same_time_as_one_after_the_other(python):
    program = """
    def bits(i):
        return b"".join(value.tobytes() for value in trained(i).parameters().values())
    expected = [bits(i) for i in range(6)]
    assert together(6, bits) == expected
    """
    python(TOGETHER, program)


def test_many_threads_may_use_one_layer(python):
    program = """
    for layer in (cnn.Conv2D(8, 3).build((28, 28, 1), seed=0), cnn.MaxPool2D().build((28, 28, 1)), cnn.Conv3x3(8)):
        parts = [x[i : i + 9].astype(layer.dtype if hasattr(layer, "dtype") else None) for i in range(8)]
        expected = [layer.forward(part).tobytes() for part in parts]
        for _ in range(20):
            assert together(8, lambda i: layer.forward(parts[i]).tobytes()) == expected
    """
    python(TOGETHER, program)


def test_nets_train_while_another_one_is_asked(python):
    program = """
    asked = trained(9)
    expected = asked.predict_proba(x).tobytes()
    bits = [trained(i).executor.learned.parameters.tobytes() for i in range(3)]

    def work(i):
        if i < 3:
            return [trained(i).executor.learned.parameters.tobytes() for _ in range(2)]
        return [asked.predict_proba(x).tobytes() for _ in range(8)]

    results = together(6, work)
    assert results[:3] == [[one] * 2 for one in bits]
    assert results[3:] == [[expected] * 8] * 3
    """
    python(TOGETHER, program)


def test_one_net_may_be_trained_and_asked_at_the_same_time(python):
    program = """
    net = trained(0)
    def work(i):
        if i == 0:
            return net.fit(x, y, epochs=2, progress=False, seed=i).loss
        if i == 1:
            return [value.sum() for value in net.snapshot().values()]
        return [float(net.predict_proba(x).sum()) for _ in range(4)]
    assert np.isfinite(np.concatenate(together(6, work))).all()
    """
    python(TOGETHER, program)
