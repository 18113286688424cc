"""The publications that lint rules are based on."""

from goodfit.reference import Reference

ANDRIUSHCHENKO = Reference(
    authors=("M. Andriushchenko", "N. Flammarion"),
    title="Towards understanding sharpness-aware minimization",
    venue="ICML",
    year=2022,
    url="https://arxiv.org/abs/2206.06232",
)
BYRD = Reference(
    authors=("J. Byrd", "Z. C. Lipton"),
    title="What is the effect of importance weighting in deep learning?",
    venue="ICML",
    year=2019,
    url="https://arxiv.org/abs/1812.03372",
)
CARRATINO = Reference(
    authors=("L. Carratino", "M. Cissé", "R. Jenatton", "J.-P. Vert"),
    title="On mixup regularization",
    venue="JMLR",
    volume="23",
    year=2022,
    url="https://arxiv.org/abs/2006.06049",
)
GOORBERGH = Reference(
    authors=("R. van den Goorbergh", "M. van Smeden", "D. Timmerman", "B. Van Calster"),
    title=(
        "The harm of class imbalance corrections for risk prediction models: illustration and "
        "simulation using logistic regression"
    ),
    venue="JAMIA",
    volume="29",
    number="9",
    year=2022,
    url="https://doi.org/10.1093/jamia/ocac093",
)
HE = Reference(
    authors=("T. He", "Z. Zhang", "H. Zhang", "Z. Zhang", "J. Xie", "M. Li"),
    title="Bag of tricks for image classification with convolutional neural networks",
    venue="CVPR",
    year=2019,
    url="https://arxiv.org/abs/1812.01187",
)
HOFFER = Reference(
    authors=("E. Hoffer", "I. Hubara", "D. Soudry"),
    title=(
        "Train longer, generalize better: closing the generalization gap in large batch training of neural networks"
    ),
    venue="NeurIPS",
    year=2017,
    url="https://arxiv.org/abs/1705.08741",
)
HUANG = Reference(
    authors=("G. Huang", "Y. Li", "G. Pleiss", "Z. Liu", "J. E. Hopcroft", "K. Q. Weinberger"),
    title="Snapshot ensembles: train 1, get M for free",
    venue="ICLR",
    year=2017,
    url="https://arxiv.org/abs/1704.00109",
)
IZMAILOV = Reference(
    authors=("P. Izmailov", "D. Podoprikhin", "T. Garipov", "D. Vetrov", "A. G. Wilson"),
    title="Averaging weights leads to wider optima and better generalization",
    venue="UAI",
    year=2018,
    url="https://arxiv.org/abs/1803.05407",
)
KINGMA = Reference(
    authors=("D. P. Kingma", "J. Ba"),
    title="Adam: a method for stochastic optimization",
    venue="ICLR",
    year=2015,
    url="https://arxiv.org/abs/1412.6980",
)
KLAMBAUER = Reference(
    authors=("G. Klambauer", "T. Unterthiner", "A. Mayr", "S. Hochreiter"),
    title="Self-normalizing neural networks",
    venue="NeurIPS",
    year=2017,
    url="https://arxiv.org/abs/1706.02515",
)
LAARHOVEN = Reference(
    authors=("T. van Laarhoven",),
    title="L2 regularization versus batch and weight normalization",
    year=2017,
    url="https://arxiv.org/abs/1706.05350",
)
LI = Reference(
    authors=("X. Li", "S. Chen", "X. Hu", "J. Yang"),
    title="Understanding the disharmony between dropout and batch normalization by variance shift",
    venue="CVPR",
    year=2019,
    url="https://arxiv.org/abs/1801.05134",
)
LIANG = Reference(
    authors=("X. Liang", "et al."),
    title="R-Drop: regularized dropout for neural networks",
    venue="NeurIPS",
    year=2021,
    url="https://arxiv.org/abs/2106.14448",
)
LIU = Reference(
    authors=("Z. Liu", "Z. Xu", "J. Jin", "Z. Shen", "T. Darrell"),
    title="Dropout reduces underfitting",
    venue="ICML",
    year=2023,
    url="https://arxiv.org/abs/2303.01500",
)
LOSHCHILOV = Reference(
    authors=("I. Loshchilov", "F. Hutter"),
    title="Decoupled weight decay regularization",
    venue="ICLR",
    year=2019,
    url="https://arxiv.org/abs/1711.05101",
)
MUELLER = Reference(
    authors=("M. Mueller", "T. Vlaar", "D. Rolnick", "M. Hein"),
    title="Normalization layers are all that sharpness-aware minimization needs",
    venue="NeurIPS",
    year=2023,
    url="https://arxiv.org/abs/2306.04226",
)
NG = Reference(
    authors=("A. Ng",),
    title="Sparse autoencoder",
    venue="Stanford CS294A lecture notes",
    year=2011,
    url="https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf",
)
PEREYRA = Reference(
    authors=("G. Pereyra", "G. Tucker", "J. Chorowski", "Ł. Kaiser", "G. Hinton"),
    title="Regularizing neural networks by penalizing confident output distributions",
    venue="ICLR workshop",
    year=2017,
    url="https://arxiv.org/abs/1701.06548",
)
PRECHELT = Reference(
    authors=("L. Prechelt",),
    title="Early stopping: but when?",
    venue="Neural Networks: Tricks of the Trade",
    year=1998,
    url="https://doi.org/10.1007/3-540-49430-8_3",
)
PYTORCH = "pytorch#104776, https://github.com/pytorch/pytorch/issues/104776"
SRIVASTAVA = Reference(
    authors=("N. Srivastava", "G. Hinton", "A. Krizhevsky", "I. Sutskever", "R. Salakhutdinov"),
    title="Dropout: a simple way to prevent neural networks from overfitting",
    venue="JMLR",
    volume="15",
    year=2014,
    url="https://jmlr.org/papers/v15/srivastava14a.html",
)
SZEGEDY = Reference(
    authors=("C. Szegedy", "V. Vanhoucke", "S. Ioffe", "J. Shlens", "Z. Wojna"),
    title="Rethinking the Inception architecture for computer vision",
    venue="CVPR",
    year=2016,
    section="section 7",
    url="https://arxiv.org/abs/1512.00567",
)
TOMPSON = Reference(
    authors=("J. Tompson", "R. Goroshin", "A. Jain", "Y. LeCun", "C. Bregler"),
    title="Efficient object localization using convolutional networks",
    venue="CVPR",
    year=2015,
    url="https://arxiv.org/abs/1411.4280",
)
WU = Reference(
    authors=("Y. Wu", "K. He"),
    title="Group normalization",
    venue="ECCV",
    year=2018,
    url="https://arxiv.org/abs/1803.08494",
)
XIA = Reference(
    authors=("G. Xia", "O. Laurent", "G. Franchi", "C.-S. Bouganis"),
    title="Towards understanding why label smoothing degrades selective classification and how to fix it",
    venue="ICLR",
    year=2025,
    url="https://arxiv.org/abs/2403.14715",
)
XIE_2016 = Reference(
    authors=("L. Xie", "J. Wang", "Z. Wei", "M. Wang", "Q. Tian"),
    title="DisturbLabel: regularizing CNN on the loss layer",
    venue="CVPR",
    year=2016,
    url="https://arxiv.org/abs/1605.00055",
)
XIE_2020 = Reference(
    authors=("C. Xie", "M. Tan", "B. Gong", "J. Wang", "A. Yuille", "Q. V. Le"),
    title="Adversarial examples improve image recognition",
    venue="CVPR",
    year=2020,
    url="https://arxiv.org/abs/1911.09665",
)
YAO = Reference(
    authors=("H. Yao", "Y. Wang", "L. Zhang", "J. Zou", "C. Finn"),
    title="C-Mixup: improving generalization in regression",
    venue="NeurIPS",
    year=2022,
    url="https://arxiv.org/abs/2210.05775",
)
