"""The first tutorial's program: one convolution, one image at a time, 1,000 images of MNIST."""

import numpy as np

from cnn import Conv3x3, MaxPool2, Softmax
from cnn.datasets import mnist

np.random.seed(0)

train_images = mnist.train_images()[:1000]
train_labels = mnist.train_labels()[:1000]
test_images = mnist.test_images()[:1000]
test_labels = mnist.test_labels()[:1000]

conv = Conv3x3(8)  # 28x28x1 -> 26x26x8
pool = MaxPool2()  # 26x26x8 -> 13x13x8
softmax = Softmax(13 * 13 * 8, 10)  # 13x13x8 -> 10


def forward(image, label):
    out = conv.forward((image / 255) - 0.5)
    out = pool.forward(out)
    out = softmax.forward(out)
    loss = -np.log(out[label])
    acc = 1 if np.argmax(out) == label else 0
    return out, loss, acc


def train(im, label, lr=0.005):
    out, loss, acc = forward(im, label)
    gradient = np.zeros(10)
    gradient[label] = -1 / out[label]
    gradient = softmax.backprop(gradient, lr)
    gradient = pool.backprop(gradient)
    conv.backprop(gradient, lr)
    return loss, acc


epochs = 5

for epoch in range(epochs):
    print("--- Epoch %d ---" % (epoch + 1))
    permutation = np.random.permutation(len(train_images))
    train_images = train_images[permutation]
    train_labels = train_labels[permutation]

    loss = 0
    num_correct = 0
    for i, (im, label) in enumerate(zip(train_images, train_labels)):
        if i % 100 == 99:
            print("[Step %d] Past 100 steps: Average Loss %.3f | Accuracy: %d%%" % (i + 1, loss / 100, num_correct))
            loss = 0
            num_correct = 0
        step_loss, acc = train(im, label)
        loss += step_loss
        num_correct += acc

print("--- Testing ---")
loss = 0
num_correct = 0
for im, label in zip(test_images, test_labels):
    _, step_loss, acc = forward(im, label)
    loss += step_loss
    num_correct += acc
print("Test Loss:", loss / len(test_images))
print("Test Accuracy:", num_correct / len(test_images))
