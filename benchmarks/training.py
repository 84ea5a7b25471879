"""Training against other frameworks: forward, mean softmax cross-entropy, backward and plain SGD, in float32.

    python benchmarks/training.py [--quick] [--nets A,B,L,keras_mnist,...] [--batches 1,32,256] [--threads all]
        [--rounds 7] [--implementations ours,torch,...] [--patience 0] [--json FILE] [--level v4]

What is timed, on MNIST's images with noise: for us one `fit` on many batches of uint8 images, which draws an order,
gathers, converts and rescales them, and keeps losses and accuracy. For everybody else a loop over batches that lie in
memory gathered, converted and rescaled; compiling and warming up come before. All start from the same parameters and
are checked to compute the same losses, parameters and running statistics in their first three steps; nets with dropout
without it, and are then built anew to be timed with it.
"""

from peers.command import main

if __name__ == "__main__":
    main("training", __doc__.splitlines()[0])
