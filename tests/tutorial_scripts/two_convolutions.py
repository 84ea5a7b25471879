"""The second tutorial's program: a class with two convolutions, trained on batches of MNIST."""

import numpy as np

from cnn import ConvolutionalNeuralNetwork
from cnn.datasets import load_mnist, normalize, one_hot

x_train, y_train, x_test, y_test = load_mnist()
x_train = normalize(x_train)
x_test = normalize(x_test)
y_train = one_hot(y_train)

np.random.seed(0)
model = ConvolutionalNeuralNetwork(seed=0)

epochs = 5
batch_size = 32
learning_rate = 0.1

for epoch in range(epochs):
    permutation = np.random.permutation(len(x_train))
    x_train = x_train[permutation]
    y_train = y_train[permutation]

    losses = []
    for i in range(0, len(x_train), batch_size):
        x_batch = x_train[i : i + batch_size]
        y_batch = y_train[i : i + batch_size]
        losses.append(model.train(x_batch, y_batch, learning_rate))
    print(f"Epoch {epoch + 1}/{epochs}, Loss: {np.mean(losses):.4f}")

predictions = np.argmax(model.predict(x_test), axis=1)
accuracy = np.mean(predictions == y_test)
print(f"Test accuracy: {accuracy:.4f}")
