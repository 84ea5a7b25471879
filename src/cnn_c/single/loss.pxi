# Softmax and cross-entropy of a batch. A part of kernels.pyx.

from .step.loss cimport cross_entropy, softmax as softmax_row


def softmax(np.ndarray logits not None, np.ndarray probabilities not None):
    """Logits (n, classes) -> probabilities (n, classes)."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(logits, 1), i, n = count(logits, classes)
        const real* z = values(logits, n * classes)
        real* p = results(probabilities, n * classes)
    with nogil:
        for i in range(n):
            softmax_row(classes, z + i * classes, p + i * classes)


def softmax_cross_entropy(np.ndarray logits not None, np.ndarray labels not None, np.ndarray probabilities not None,
                          np.ndarray dlogits not None):
    """Logits (n, classes), int64 labels (n,) below classes -> probabilities, dlogits; returns the mean loss."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(logits, 1), i, n = count(logits, classes)
        const real* z = values(logits, n * classes)
        const np.int64_t* label = <const np.int64_t*>checked(labels, np.NPY_INT64, n, False)
        real* p = results(probabilities, n * classes)
        real* dz = results(dlogits, n * classes)
        np.int64_t of = 0
        double log_total, loss = 0
    with nogil:
        for i in range(n):
            of = label[i]  # once: somebody else might write there
            if not 0 <= of < classes:
                break
            log_total = softmax_row(classes, z + i * classes, p + i * classes)
            loss += cross_entropy(classes, z + i * classes, of, 0, log_total, 1.0 / n, p + i * classes,
                                  dz + i * classes)
    if not 0 <= of < classes:
        raise SystemError(f"a kernel was given label {of} for {classes} classes")
    return loss / n
