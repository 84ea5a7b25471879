"""SPACE.toml: what is read from it, and what it is told that is wrong in it."""

import pytest

import cnn
from cnn.sweep.reading import read_space
from cnn.sweep.settings import fit_arguments

NET = """
import cnn

def build(seed, input_shape, classes, dense=64, activation="relu"):
    return cnn.Sequential([cnn.Flatten(), cnn.Dense(dense, activation=activation), cnn.Dense(classes)],
                          input_shape=input_shape, seed=seed)

WORD = "build"
"""


@pytest.fixture
def read(tmp_path):
    """Reads a text as SPACE.toml, beside a file of nets."""
    (tmp_path / "mine.py").write_text(NET)
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found")

    def read(text):
        path = tmp_path / "space.toml"
        path.write_text(text)
        return read_space(path)

    return read


class FixedTrial:
    """In place of Optuna's: the low end or the first choice of each, and what was asked for."""

    def __init__(self, **chosen):
        self.asked, self.chosen = [], chosen

    def suggest_categorical(self, name, choices):
        self.asked.append(("categorical", name, choices))
        return self.chosen.get(name, choices[0])

    def suggest_int(self, name, low, high, **how):
        self.asked.append(("int", name, low, high, how))
        return low

    def suggest_float(self, name, low, high, **how):
        self.asked.append(("float", name, low, high, how))
        return low


def test_ranges_and_lists_are_what_optuna_is_asked_for(read):
    space = read(
        """
        [fixed]
        epochs = 5
        [space]
        learning_rate = {low = 1e-3, high = 1, log = true}
        batch_size = {low = 32, high = 128, step = 32}
        label_smoothing = [0.0, 0.1]
        augment = {shift = {low = 0, high = 3}}
        """
    )
    trial = FixedTrial()
    assert space.suggested(trial) == {
        "epochs": 5, "learning_rate": 0.001, "batch_size": 32, "label_smoothing": 0.0, "augment.shift": 0.0,
    }  # fmt: skip
    assert trial.asked == [
        ("float", "learning_rate", 0.001, 1.0, {"log": True, "step": None}),
        ("int", "batch_size", 32, 128, {"log": False, "step": 32}),
        ("categorical", "label_smoothing", [0.0, 0.1]),
        ("float", "augment.shift", 0.0, 3.0, {"log": False, "step": None}),
    ]


def test_what_a_trial_has_no_use_for_is_not_chosen(read):
    space = read(
        """
        [space]
        momentum = {low = 0.5, high = 0.9}
        beta1 = [0.8, 0.9]
        dense = {low = 32, high = 96, step = 32}
        learning_rate = [0.1]
        optimizer = ["sgd", "adam"]
        net = ["two-conv", "mine.py:build"]
        """
    )
    assert set(space.suggested(FixedTrial())) == {"optimizer", "net", "momentum", "learning_rate"}
    chosen = space.suggested(FixedTrial(optimizer="adam", net="mine.py:build"))
    assert set(chosen) == {"optimizer", "net", "beta1", "dense", "learning_rate"}


def test_numbers_of_an_argument_of_one_s_own_are_integers_where_all_are_written_so(read):
    def asked(dense):
        trial = FixedTrial()
        read(f'[fixed]\nnet = "mine.py:build"\n[space]\ndense = {dense}').suggested(trial)
        return trial.asked[0][0], trial.asked[0][2]

    assert asked("{low = 32, high = 64}") == ("int", 32)
    assert asked("{low = 32, high = 64.5}") == ("float", 32.0)
    assert type(asked("{low = 32, high = 64.5}")[1]) is float


def test_examples_have_each_choice(read):
    rates = "learning_rate = {low = 0.1, high = 0.2}"
    space = read(f'[space]\n{rates}\nbatch_size = [8, 16]\nschedule = ["cosine", "constant"]')
    assert list(space.examples()) == [
        {"learning_rate": 0.1, "batch_size": 8, "schedule": "cosine"},
        {"learning_rate": 0.1, "batch_size": 16, "schedule": "cosine"},
        {"learning_rate": 0.1, "batch_size": 8, "schedule": "constant"},
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"must have a table \[space\] with what is chosen from"),
        ("[fixed]\nepochs = 3", r"must have a table \[space\]"),
        ("[spaces]\nepochs = [3]", r"must hold the tables \[fixed\] and \[space\], got 'spaces'"),
        ("space = 3", r"must hold the tables \[fixed\] and \[space\], got 'space'"),
        ("[space\n", r"is no TOML: .*line 1"),
        ("[space]\nlearnig_rate = [0.1]", r"learnig_rate in \[space\]: .* did you mean 'learning_rate'\?"),
        ("[fixed]\nlr = 0.1\n[space]\nepochs = [1, 2]", r"lr in \[fixed\]: .* did you mean 'learning_rate'\?"),
        ("[space]\naugment.rotated = [5]", r"augment.rotated in \[space\]: .* did you mean 'augment.rotate'\?"),
        ("[space]\nbeta1 = [0.9]", r"beta1 in \[space\]: there is no setting of this name"),  # of SGD
        ("[space]\ndense = [32]", r"dense in \[space\]: there is no setting of this name"),
        ("[fixed]\nepochs = 3\n[space]\nepochs = [3]", r"epochs must be in \[fixed\] or in \[space\], got it in both"),
        ("[space]\ndata = ['mnist']", r"data in \[space\]: it is the same for all trials and must be in \[fixed\]"),
        ("[space]\nepochs = 3", r"epochs in \[space\]: it must be a list of choices or a range .*, got 3;"),
        ("[space]\nepochs = []", r"epochs in \[space\]: it must be a list of choices that differ, got \[\]"),
        ("[space]\nepochs = [3, 3]", r"must be a list of choices that differ, got \[3, 3\]"),
        ("[space]\nepochs = [0, 3]", r"epochs in \[space\]: a choice must be at least 1, got 0"),
        ("[space]\nepochs = [1.5]", r"a choice must be an integer, got 1.5"),
        ("[space]\nepochs = [true]", r"a choice must be an integer, got True"),
        ("[space]\nepochs = ['3']", r"a choice must be an integer, got '3'"),
        ("[space]\nlearning_rate = ['a']", r"a choice must be a number, got 'a'"),
        ("[space]\nlearning_rate = [nan]", r"a choice must be finite and between 0 and 3.40282e\+38, got nan"),
        ("[space]\nlearning_rate = {low = -1, high = 1}", r"low must be finite and between 0 .*, got -1.0"),
        ("[space]\nlearning_rate = {low = 0.1, high = inf}", r"high must be finite .*, got inf"),
        ("[space]\nlearning_rate = {low = 'a', high = 1}", r"low must be a number, got 'a'"),
        ("[space]\nlearning_rate = {low = 1, high = 0.1}", r"low must be below high, got 1.0 and 0.1"),
        ("[space]\nlearning_rate = {low = 1, high = 1}", r"low must be below high, got 1.0 and 1.0"),
        ("[space]\nlearning_rate = {low = 0.1}", r"a range must have low and high, got \{'low': 0.1\}"),
        ("[space]\nlearning_rate = {low = 1, hihg = 2}", r"got 'hihg'; did you mean 'high'\?"),
        ("[space]\nlearning_rate = {low = 0, high = 1, log = true}", r"log needs a low end above 0 and no step"),
        ("[space]\nlearning_rate = {low = 1, high = 2, log = 'yes'}", r"log must be True or False, got 'yes'"),
        ("[space]\nepochs = {low = 1, high = 9, step = 0.5}", r"step must be an integer above 0, got 0.5"),
        ("[space]\nmomentum = {low = 0.1, high = 0.9, step = 0}", r"step must be a number above 0, got 0"),
        ("[space]\nbatch_size = {low = 32, high = 100, step = 32}", r"whole number of steps above low, got 32 to 100"),
        ("[space]\nmomentum = {low = 0.5, high = 1.5}", r"high must be finite and between 0 and 1, got 1.5"),
        ("[space]\naugment.shear = [90]", r"shear must be finite and between 0 and 90, got 90.0"),
        ("[space]\noptimizer = {low = 1, high = 2}", r"optimizer in \[space\]: it must be a list of choices, got"),
        ("[space]\noptimizer = ['adan']", r"a choice must be one of adadelta, adam, .*, got 'adan'"),
        ("[space]\nnesterov = [1]", r"a choice must be true or false, got 1"),
        ("[fixed]\nrecipe = 'slow'\n[space]\nepochs = [1]", r"recipe in \[fixed\]: it must be one of .*, got 'slow'"),
        ("[fixed]\nnet = 'vgg'\n[space]\nepochs = [1]", r"net in \[fixed\]: net must be one of .*, got 'vgg'"),
        ("[space]\nnet = ['none.py:build']", r"net must name a file that is there, got 'none.py:build'"),
        ("[space]\nnet = ['broken.py:build']", r"broken.py cannot be imported: ModuleNotFoundError"),
        ("[fixed]\nnet = 'mine.py:build'\n[space]\ndense = [[8, 16]]", r"a choice must be a text, a number, true or"),
        ("[fixed]\nnet = 'mine.py:build'\ndense = 2026-11-30\n[space]\nepochs = [1]", r"it must be made of texts"),
        ("[space]\nnet = ['mine.py:WORD']", r"net must name a function of .*mine.py, got 'mine.py:WORD'"),
        ("[fixed]\nvalidation_fraction = 1.0\n[space]\nepochs = [1]", r"_fraction in \[fixed\]: it must be .*got 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(read, tmp_path, text, told):
    with pytest.raises((ValueError, TypeError), match=told) as error:
        read(text)
    assert str(error.value).startswith(f"{tmp_path / 'space.toml'}")


# ---- from settings to a fit ----


def test_a_fit_without_settings_is_that_of_the_recipe():
    ours, recipe = fit_arguments({}, 3), cnn.recipes.RECIPES["two-conv"].arguments(3)
    assert {**ours, "optimizer": repr(ours["optimizer"])} == {**recipe, "optimizer": repr(recipe["optimizer"])}


def test_settings_are_in_place_of_the_recipe_s():
    settings = {
        "recipe": "accurate", "epochs": 2, "batch_size": 16, "learning_rate": 0.5, "schedule": "one-cycle",
        "momentum": 0.8, "clip_norm": 1.0, "label_smoothing": 0.1, "augment.rotate": 3.0,
    }  # fmt: skip
    arguments = fit_arguments(settings, 0)
    assert repr(arguments["optimizer"]) == repr(
        cnn.SGD(cnn.schedules.OneCycle(0.5), momentum=0.8, nesterov=True, weight_decay=5e-4, clip_norm=1.0)
    )
    assert (arguments["epochs"], arguments["batch_size"], arguments["label_smoothing"]) == (2, 16, 0.1)
    assert repr(arguments["augment"]) == "Augment(shift=1, rotate=3, scale=0.1, shear=8, elastic=0.7)"


def test_an_optimiser_has_its_own_defaults_and_a_learning_rate_beside_it():
    arguments = fit_arguments({"optimizer": "adamw", "learning_rate": 0.01}, 0)
    assert repr(arguments["optimizer"]) == repr(cnn.AdamW(cnn.schedules.Cosine(0.01)))
    with pytest.raises(ValueError, match="optimizer = 'adam' needs a learning_rate beside it, got none"):
        fit_arguments({"optimizer": "adam"}, 0)


def test_without_momentum_there_is_none_to_look_ahead_with():
    assert repr(fit_arguments({"momentum": 0.0}, 0)["optimizer"]) == repr(cnn.SGD(cnn.schedules.Cosine(0.03)))
