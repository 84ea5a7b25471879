"""Predictions against other frameworks: from images in memory to probabilities in a NumPy array, in float32.

    python benchmarks/inference.py [--quick] [--nets A,B,L,keras_mnist,...] [--batches 1,32,256] [--threads all]
        [--rounds 7] [--implementations ours,torch,...] [--patience 0] [--json FILE] [--level v4]

What is timed is one call for every batch. Ours takes uint8 images as the files hold them; everybody else has float32
tensors, rescaled already, of the type that is quickest. All are checked to give the same probabilities.
"""

from peers.command import main

if __name__ == "__main__":
    main("inference", __doc__.splitlines()[0])
