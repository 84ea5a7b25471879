"""Words of Keras and PyTorch for what this package calls by another name, and what to write here: ends of errors."""

from __future__ import annotations

_HE = "weights are drawn by He's rule from the net's seed, and net.set_parameters sets others"
_SHAPE = "give input_shape to cnn.Sequential, all other shapes follow"
_LAST = "channels are always last"
_DECAY = "use weight_decay of the optimizer"
_PROGRESS = "use progress of fit"

# Arguments, by the name of a class, whose subclasses have them too, or of a method.
ARGUMENTS: dict[str, dict[str, str]] = {
    "Layer": {
        "bias_initializer": _HE,
        "data_format": _LAST,
        "device": "there is none but the processor",
        "dtype": "give dtype to cnn.Sequential",
        "in_channels": _SHAPE,
        "in_features": _SHAPE,
        "input_dim": _SHAPE,
        "input_shape": _SHAPE,
        "inplace": "memory is planned by the net",
        "kernel_initializer": _HE,
        "kernel_regularizer": _DECAY,
        "name": "names follow from the order of the layers: net.layer_names",
        "num_features": _SHAPE,
        "strides": "use stride",
        "use_bias": "use bias",
    },
    "Conv2D": {"out_channels": "use filters"},
    "Dense": {"out_features": "use units"},
    "MaxPool2D": {"kernel_size": "use pool_size"},
    "AvgPool2D": {"kernel_size": "use pool_size"},
    "Dropout": {"p": "use rate"},
    "BatchNorm": {"affine": "it always has scale and shift", "axis": _LAST, "eps": "use epsilon"},
    "LayerNorm": {"axis": _LAST, "eps": "use epsilon", "normalized_shape": _SHAPE},
    "DepthwiseConv2D": {"depth_multiplier": "use multiplier"},
    "LeakyReLU": {"alpha": "use slope", "negative_slope": "use slope"},
    "Optimizer": {
        "beta_1": "use beta1",
        "beta_2": "use beta2",
        "betas": "use beta1 and beta2",
        "decay": "use a schedule of cnn.schedules as learning_rate",
        "eps": "use epsilon",
        "lr": "use learning_rate",
        "params": "an optimizer is given the parameters by fit",
    },
    "RMSprop": {"rho": "use alpha"},
    "Callback": {
        "filepath": "use path",
        "min_lr": "use minimum_rate",
        "mode": "of a figure with 'accuracy' in its name more is better, of any other less",
        "restore_best_weights": "use restore_best",
        "save_best_only": "use cnn.EarlyStopping, which sets the net back to its best epoch, and net.save",
        "verbose": _PROGRESS,
    },
    "fit": {
        "initial_epoch": "use resume, with the file of a cnn.Checkpoint",
        "learning_rate": "use optimizer, such as optimizer=cnn.SGD(0.1)",
        "lr": "use optimizer, such as optimizer=cnn.SGD(0.1)",
        "max_queue_size": "a DataLoader may have workers",
        "metrics": "loss and accuracy are always told",
        "n_epochs": "use epochs",
        "nb_epoch": "use epochs",
        "num_epochs": "use epochs",
        "use_multiprocessing": "a DataLoader may have workers",
        "validation_batch_size": "use validation_data, all of which is evaluated",
        "validation_freq": "validation is done after each epoch",
        "validation_steps": "use validation_data, all of which is evaluated",
        "verbose": "use progress",
        "workers": "a DataLoader may have workers",
    },
}

# Attributes of a net.
METHODS: dict[str, str] = {
    "add": "give all layers to cnn.Sequential",
    "compile": "give the optimizer to fit",
    "count_params": "use summary()",
    "cpu": "a net is always on the processor",
    "cuda": "a net is always on the processor",
    "eval": "predict and evaluate do not drop or learn anything",
    "fit_generator": "use fit, which takes batches from a generator",
    "forward": "use predict_logits",
    "get_layer": "use layers",
    "get_weights": "use parameters()",
    "load_weights": "use cnn.load, or set_parameters",
    "named_parameters": "use parameters()",
    "predict_classes": "use predict",
    "predict_on_batch": "use predict_proba",
    "save_weights": "use save",
    "set_weights": "use set_parameters",
    "state_dict": "use state()",
    "test_on_batch": "use evaluate",
    "to": "a net is always on the processor",
    "train": "use fit, in which alone a net drops and learns",
    "trainable_weights": "use parameters()",
    "weights": "use parameters()",
    "zero_grad": "gradients are those of one step",
}

# Names in the package.
NAMES: dict[str, str] = {
    "Activation": "use cnn.ReLU, cnn.Tanh or another layer",
    "AvgPool2d": "use cnn.AvgPool2D",
    "AveragePooling2D": "use cnn.AvgPool2D",
    "BatchNorm2d": "use cnn.BatchNorm",
    "BatchNormalization": "use cnn.BatchNorm",
    "Conv2d": "use cnn.Conv2D",
    "GlobalAveragePooling2D": "use cnn.GlobalAvgPool2D",
    "Input": "give input_shape to cnn.Sequential",
    "Linear": "use cnn.Dense",
    "MaxPool2d": "use cnn.MaxPool2D",
    "MaxPooling2D": "use cnn.MaxPool2D",
    "Model": "use cnn.Sequential",
    "ModelCheckpoint": "use cnn.Checkpoint",
    "nn": "layers are in cnn itself",
    "optim": "optimizers are in cnn itself",
}

# Optimizers that are told by a text, or not called.
OPTIMIZERS = {"adam": "cnn.Adam()", "adamw": "cnn.AdamW()", "rmsprop": "cnn.RMSprop()"}
