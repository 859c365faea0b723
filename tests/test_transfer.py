import pytest
import torch
from sklearn.linear_model import LogisticRegression

from blindspots import load_images, mlp, transfer_matrix


def constant(k):
    """A network that sees class k in everything."""
    return lambda images: torch.eye(3)[k].expand(len(images), 3)


def test_constant_receivers_misread_what_is_not_theirs():
    blank = torch.zeros(6, 1, 2, 2)
    sets = {"a": (blank, torch.tensor([0, 0, 0, 1, 1, 2])), "b": (blank[:2], torch.tensor([2, 2]))}
    matrix = transfer_matrix({"zero": constant(0), "two": constant(2)}, sets)
    expected = torch.tensor([[3 / 6, 5 / 6], [1.0, 0.0]], dtype=torch.float64)
    assert torch.equal(matrix.error, expected)
    assert (matrix.sources, matrix.receivers) == (("a", "b"), ("zero", "two"))


def test_it_counts_wrong_labels_not_reached_targets():
    """An image moved to another wrong class than the attack wanted is misread all the same."""
    sets = {"a": (torch.zeros(1, 1, 2, 2), torch.tensor([0]))}
    assert transfer_matrix({"two": constant(2)}, sets).error.item() == 1


def test_a_classifier_of_another_library_and_pixels_beyond_the_box():
    data = load_images("digits", split="test")
    model = LogisticRegression(max_iter=300).fit(data.images.flatten(1), data.labels)

    def receiver(images):
        return torch.from_numpy(model.predict_proba(images.flatten(1).numpy()))

    sets = {"far": (data.images * 3 - 1, data.labels)}
    error = transfer_matrix({"sklearn": receiver}, sets).error.item()
    score = model.score((data.images * 3 - 1).flatten(1).numpy(), data.labels.numpy())
    assert error == pytest.approx(1 - score)


@pytest.mark.parametrize("receivers, sets", [(0, 1), (1, 0)])
def test_nothing_to_show_is_an_error(receivers, sets):
    images = torch.zeros(1, 1, 2, 2), torch.tensor([0])
    with pytest.raises(ValueError, match=f"got {receivers} receivers and {sets} sets"):
        transfer_matrix({"a": mlp((4, 3))} if receivers else {}, {"b": images} if sets else {})


def test_an_empty_set_is_an_error():
    with pytest.raises(ValueError, match="0 images"):
        transfer_matrix({"a": constant(0)}, {"b": (torch.zeros(0, 1, 2, 2), torch.zeros(0).long())})
