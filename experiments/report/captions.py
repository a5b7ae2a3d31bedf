"""One sentence below each figure of a page: how to read it."""

CAPTIONS = {
    "architecture": (
        "From the image (top) to the classes (bottom): each coloured pair of bars is a layer, as wide as its 3x1 "
        "and 1x3 convolutions have channels within the pale width that they could have; the darker, the larger "
        "the dilation, and each grey box in between halves the resolution."
    ),
    "entropy": (
        "How undecided the choices of each level are, in nats: all of them are decided at the dotted line, where "
        "the curves reach 0, and then nothing is lost when the network is taken out."
    ),
    "probabilities": (
        "How probable each candidate of some choices is, by epoch: a line that ends at 1 is what the choice "
        "has become, and one that stops has left. d2s1 is dilation 2 without pooling, d1s2 dilation 1 with pooling "
        "by 2; of depth and width, the candidates are numbers of layers and of channels."
    ),
    "alive": (
        "How many candidates are left after each epoch: a step down is a removal, and from the dotted line on "
        "every choice has one."
    ),
    "miou": (
        "Above, the mIoU of the super-network by epoch, and a star for the found network with the same weights: "
        "the nearer the star to the curve's end, the less is lost by taking the network out. Below, the loss "
        "of the weights' training, and the loss that the architecture is chosen by. Both are one curve where one "
        "batch serves both."
    ),
    "pareto": (
        "Each point is a distinct network of this search, scored with the weights that it had in the search, and "
        "the star is the found network. Its number is the last epoch at which it was the most probable one, or its "
        "trial where each network is trained alone. Up and to the left is better."
    ),
    "validation": (
        "Validation images, their labels, and what the found network sees: colours that differ between the last "
        "two rows are mistakes, and black is not labelled."
    ),
    "training": (
        "Validation mIoU (above) and losses (below) by epoch: a validation loss that rises while the training "
        "loss falls means that the network learns the training images by heart."
    ),
    "comparison": (
        "Total entropy of each search by epoch, a colour for each strategy: a search whose curve ends at 0 is "
        "discrete, and one whose curve ends above it is cut."
    ),
    "front": (
        "Each point is a network in the first round of the race, which all have run: up and to the left is better, the "
        "star is delivered, and the dotted line is the latency that was asked for. The last round decides, so the star "
        "may lie below another point."
    ),
    "confusion": (
        "Each row is a class, and its numbers say which percentage of its pixels the network takes for which "
        "class: the diagonal is right, and a dark field beside it is a pair that is confused."
    ),
    "best and worst": (
        "The validation images with the highest mIoU, then those with the lowest: image, label and what the "
        "network sees."
    ),
}
"""By the name of the figure."""
