"""The publications that rules rest on, in the form of the docstrings' references."""

ANDRIUSHCHENKO = (
    "M. Andriushchenko and N. Flammarion, Towards understanding sharpness-aware minimization, ICML 2022, "
    "https://arxiv.org/abs/2206.06232"
)
BYRD = (
    "J. Byrd and Z. C. Lipton, What is the effect of importance weighting in deep learning?, ICML 2019, "
    "https://arxiv.org/abs/1812.03372"
)
CARRATINO = (
    "L. Carratino, M. Cissé, R. Jenatton and J.-P. Vert, On mixup regularization, JMLR 23, 2022, "
    "https://arxiv.org/abs/2006.06049"
)
GOORBERGH = (
    "R. van den Goorbergh, M. van Smeden, D. Timmerman and B. Van Calster, The harm of class imbalance corrections "
    "for risk prediction models: illustration and simulation using logistic regression, JAMIA 29(9), 2022, "
    "https://doi.org/10.1093/jamia/ocac093"
)
HE = (
    "T. He, Z. Zhang, H. Zhang, Z. Zhang, J. Xie and M. Li, Bag of tricks for image classification with convolutional"
    " neural networks, CVPR 2019, https://arxiv.org/abs/1812.01187"
)
HOFFER = (
    "E. Hoffer, I. Hubara and D. Soudry, “Train longer, generalize better: closing the generalization gap in large "
    "batch training of neural networks”, NeurIPS 2017, https://arxiv.org/abs/1705.08741"
)
HUANG = (
    "G. Huang, Y. Li, G. Pleiss, Z. Liu, J. E. Hopcroft and K. Q. Weinberger, “Snapshot ensembles: train 1, get M for"
    " free”, ICLR 2017, https://arxiv.org/abs/1704.00109"
)
IZMAILOV = (
    "P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov and A. G. Wilson, Averaging weights leads to wider optima and"
    " better generalization, UAI 2018, https://arxiv.org/abs/1803.05407"
)
KINGMA = (
    "D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, https://arxiv.org/abs/1412.6980"
)
KLAMBAUER = (
    "G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-normalizing neural networks, NeurIPS 2017, "
    "https://arxiv.org/abs/1706.02515"
)
LAARHOVEN = (
    "T. van Laarhoven, L2 regularization versus batch and weight normalization, 2017, https://arxiv.org/abs/1706.05350"
)
LI = (
    "X. Li, S. Chen, X. Hu and J. Yang, Understanding the disharmony between dropout and batch normalization by "
    "variance shift, CVPR 2019, https://arxiv.org/abs/1801.05134"
)
LIANG = (
    "X. Liang et al., R-Drop: regularized dropout for neural networks, NeurIPS 2021, https://arxiv.org/abs/2106.14448"
)
LIU = (
    "Z. Liu, Z. Xu, J. Jin, Z. Shen and T. Darrell, Dropout reduces underfitting, ICML 2023, "
    "https://arxiv.org/abs/2303.01500"
)
LOSHCHILOV = (
    "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019, https://arxiv.org/abs/1711.05101"
)
MUELLER = (
    "M. Mueller, T. Vlaar, D. Rolnick and M. Hein, Normalization layers are all that sharpness-aware minimization "
    "needs, NeurIPS 2023, https://arxiv.org/abs/2306.04226"
)
NG = (
    "A. Ng, Sparse autoencoder, Stanford CS294A lecture notes, 2011, "
    "https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf"
)
PEREYRA = (
    "G. Pereyra, G. Tucker, J. Chorowski, Ł. Kaiser and G. Hinton, Regularizing neural networks by penalizing "
    "confident output distributions, ICLR workshop 2017, https://arxiv.org/abs/1701.06548"
)
PRECHELT = (
    "L. Prechelt, Early stopping: but when?, Neural Networks: Tricks of the Trade, 1998, "
    "https://doi.org/10.1007/3-540-49430-8_3"
)
PYTORCH = "pytorch#104776, https://github.com/pytorch/pytorch/issues/104776"
SRIVASTAVA = (
    "N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, Dropout: a simple way to prevent "
    "neural networks from overfitting, JMLR 15, 2014, https://jmlr.org/papers/v15/srivastava14a.html"
)
SZEGEDY = (
    "C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, Rethinking the Inception architecture for computer "
    "vision, CVPR 2016, section 7, https://arxiv.org/abs/1512.00567"
)
TOMPSON = (
    "J. Tompson, R. Goroshin, A. Jain, Y. LeCun and C. Bregler, Efficient object localization using convolutional "
    "networks, CVPR 2015, https://arxiv.org/abs/1411.4280"
)
WU = "Y. Wu and K. He, Group normalization, ECCV 2018, https://arxiv.org/abs/1803.08494"
XIA = (
    "G. Xia, O. Laurent, G. Franchi and C.-S. Bouganis, Towards understanding why label smoothing degrades selective "
    "classification and how to fix it, ICLR 2025, https://arxiv.org/abs/2403.14715"
)
XIE_2016 = (
    "L. Xie, J. Wang, Z. Wei, M. Wang and Q. Tian, DisturbLabel: regularizing CNN on the loss layer, CVPR 2016, "
    "https://arxiv.org/abs/1605.00055"
)
XIE_2020 = (
    "C. Xie, M. Tan, B. Gong, J. Wang, A. Yuille and Q. V. Le, Adversarial examples improve image recognition, CVPR "
    "2020, https://arxiv.org/abs/1911.09665"
)
YAO = (
    "H. Yao, Y. Wang, L. Zhang, J. Zou and C. Finn, C-Mixup: improving generalization in regression, NeurIPS 2022, "
    "https://arxiv.org/abs/2210.05775"
)
